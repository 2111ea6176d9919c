package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
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
  private final Set<DagHash> nodes = ConcurrentHashMap.newKeySet();
  private final InstanceKey key;
  private final MirrorIndex index;

  InstanceMirror(Signer signer, Function<InstanceMirror, MirrorIndex> index) {
    this.key = new InstanceKey(signer);
    this.index = index.apply(this);
    key.blobs().forEach(this::add);
  }

  InstanceKey key() {
    return key;
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

  void addNode(DagHash hash) {
    nodes.add(hash);
  }

  /** Blobs first, then the spec that names them, then word to the index. */
  void add(PublishedRecord record) {
    PublishedSpec spec = record.spec();
    add(new Served.StoredBlob(spec.archive(), record.archiveMediaType()));
    add(new Served.StoredBlob(spec.spec(), record.specMediaType()));
    published.put(spec.hash(), spec);
    index.changed();
  }

  private void add(Served blob) {
    blobs.put(MirrorIndex.nameOf(blob.digest()), blob);
  }

  /** A blob that something in this mirror names. */
  @Nullable Served blob(Digest name) {
    Served blob = blobs.get(name);
    return blob == null ? index.find(name) : blob;
  }

  MirrorIndex index() {
    return index;
  }

  void each(Consumer<PublishedSpec> visitor) {
    published.values().forEach(visitor);
  }

  int size() {
    return published.size();
  }
}
