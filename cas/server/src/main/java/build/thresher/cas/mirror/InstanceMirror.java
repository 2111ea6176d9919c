package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.NavigableSet;
import java.util.Set;
import java.util.SortedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What the mirror of one instance holds, in memory: enough to answer whether a path exists.
 *
 * <p>Threading: any thread.
 */
final class InstanceMirror {
  private final ConcurrentHashMap<DagHash, PublishedSpec> published = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<Digest, Served> blobs = new ConcurrentHashMap<>();
  private final NavigableSet<DagHash> nodes = new ConcurrentSkipListSet<>();
  private final ConcurrentHashMap<DagHash, Pruned> pruned = new ConcurrentHashMap<>();
  private final ReadWriteLock visible = new ReentrantReadWriteLock();
  private final Lock retention = new ReentrantLock();
  private final MirrorIndex index;
  private final ConcurrentHashMap<String, MirrorIndex> views = new ConcurrentHashMap<>();
  private final AtomicLong changes = new AtomicLong();
  private volatile InstanceKey key;

  InstanceMirror(List<Signer> signers, Function<InstanceMirror, MirrorIndex> index) {
    this.key = new InstanceKey(signers);
    this.index = index.apply(this);
    key.blobs().forEach(this::add);
  }

  InstanceKey key() {
    return key;
  }

  /** The first signs. Call it with {@link #takingOut} held, so that nobody signs with another. */
  void useKeys(List<Signer> signers) {
    InstanceKey changed = key.with(signers);
    changed.blobs().forEach(this::add);
    key = changed;
  }

  @Nullable PublishedSpec find(DagHash hash) {
    return published.get(hash);
  }

  boolean isPublished(DagHash hash) {
    return published.containsKey(hash);
  }

  boolean knowsNode(DagHash hash) {
    return nodes.contains(hash);
  }

  /** What the index knows, published or not; grows while it is read. */
  SortedSet<DagHash> nodes() {
    return Collections.unmodifiableSortedSet(nodes);
  }

  void addNode(DagHash hash) {
    nodes.add(hash);
  }

  /** Blobs first, then the spec that names them, then word to the index. */
  void add(PublishedRecord record) {
    addBlobs(record);
    published.put(record.spec().hash(), record.spec());
    changed();
  }

  private void addBlobs(PublishedRecord record) {
    add(new Served.StoredBlob(record.spec().archive(), record.archiveMediaType()));
    add(new Served.StoredBlob(record.spec().spec(), record.specMediaType()));
  }

  /** Held while something is made visible, with others that do so. */
  Lock publishing() {
    return visible.readLock();
  }

  /** Held alone while something is taken out or put back: closures must not change meanwhile. */
  Lock takingOut() {
    return visible.writeLock();
  }

  /** Held over a whole prune, restore or expiry: each relies on what it found at its beginning. */
  Lock retention() {
    return retention;
  }

  /** What was pruned before the last stop. */
  void addPruned(Pruned out, PublishedRecord record) {
    addBlobs(record);
    pruned.put(out.spec().hash(), out);
  }

  /** Out of the index, restorable; the blobs stay readable. */
  void takeOut(Pruned out) {
    pruned.put(out.spec().hash(), out);
    published.remove(out.spec().hash());
    changed();
  }

  void putBack(PublishedRecord record) {
    add(record);
    pruned.remove(record.spec().hash());
  }

  /** The blobs that nothing else names are no longer answered for. */
  void letGo(Collection<Pruned> over, Set<DagHash> unneededNodes) {
    over.forEach(p -> pruned.remove(p.spec().hash(), p));
    nodes.removeAll(unneededNodes);
    Set<Digest> named = new HashSet<>();
    eachPinned(named::add);
    for (Pruned gone : over) {
      for (Digest digest : RocksSpackMirror.blobsOf(gone.spec())) {
        if (!named.contains(digest)) {
          blobs.remove(MirrorIndex.nameOf(digest));
        }
      }
    }
    changed();
  }

  @Nullable Pruned pruned(DagHash hash) {
    return pruned.get(hash);
  }

  Collection<Pruned> allPruned() {
    return List.copyOf(pruned.values());
  }

  List<PublishedSpec> all() {
    return List.copyOf(published.values());
  }

  List<PublishedSpec> matching(SpecSelector selector) {
    return published.values().stream().filter(selector::matches).toList();
  }

  private void add(Served blob) {
    blobs.put(MirrorIndex.nameOf(blob.digest()), blob);
  }

  /** A blob that something in this mirror names. */
  @Nullable Served blob(Digest name) {
    Served blob = blobs.get(name);
    return blob == null ? indexBlob(name) : blob;
  }

  private @Nullable Served indexBlob(Digest name) {
    Served found = index.find(name);
    for (MirrorIndex view : views.values()) {
      found = found == null ? view.find(name) : found;
    }
    return found;
  }

  private void changed() {
    changes.incrementAndGet();
    index.changed();
    views.values().forEach(MirrorIndex::changed);
  }

  /** Grows with every change of what is published. */
  long changes() {
    return changes.get();
  }

  @Nullable MirrorIndex view(String name) {
    return views.get(name);
  }

  /** Gives the one that had this name before. */
  @Nullable MirrorIndex putView(String name, MirrorIndex view) {
    return views.put(name, view);
  }

  @Nullable MirrorIndex removeView(String name) {
    return views.remove(name);
  }

  MirrorIndex index() {
    return index;
  }

  /** Every blob as often as it is pinned for this instance. */
  void eachPinned(Consumer<Digest> visitor) {
    published.values().forEach(spec -> RocksSpackMirror.blobsOf(spec).forEach(visitor));
    pruned.values().forEach(p -> RocksSpackMirror.blobsOf(p.spec()).forEach(visitor));
  }

  void each(Consumer<PublishedSpec> visitor) {
    published.values().forEach(visitor);
  }

  int size() {
    return published.size();
  }
}
