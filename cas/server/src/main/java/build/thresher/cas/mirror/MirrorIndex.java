package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.mirror.MirrorDb.IndexNode;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * An index of one instance, of all of it or of a view: what Spack reads to know what the mirror
 * has.
 *
 * <p>It is built when somebody asks and something was published since, and at most once in {@link
 * MirrorOptions#indexInterval}. Whoever asks gets an index with everything whose publishing had
 * returned before; where that needs a new one too early, the asker waits for the rest of the
 * interval. Superseded index blobs can be read for {@link MirrorOptions#indexRetention}.
 *
 * <p>Threading: any thread; one builds, the others wait for it.
 */
final class MirrorIndex {
  private final String instance;
  private final MirrorDb db;
  private final BlobStore blobs;
  private final MirrorOptions options;
  private final InstantSource clock;
  private final IndexContent.Source source;
  private final AtomicLong changes = new AtomicLong();
  private final ReentrantLock building = new ReentrantLock();
  private final ConcurrentHashMap<Digest, Kept> kept = new ConcurrentHashMap<>();
  private volatile @Nullable Built current;

  MirrorIndex(
      String instance,
      MirrorDb db,
      BlobStore blobs,
      MirrorOptions options,
      InstantSource clock,
      IndexContent.Source source) {
    this.instance = instance;
    this.db = db;
    this.blobs = blobs;
    this.options = options;
    this.clock = clock;
    this.source = source;
  }

  private record Built(
      long changes,
      Instant at,
      Instant leasedUntil,
      Map<IndexVersion, Digest> indices,
      Served.Document manifest) {}

  private record Kept(Digest digest, Instant until) {}

  /** Something new is visible; costs nothing until somebody asks. */
  void changed() {
    changes.incrementAndGet();
  }

  /** An index blob of before the last stop. */
  void restore(Digest index, Instant until) {
    kept.put(nameOf(index), new Kept(index, until));
  }

  /** The index manifest, up to date. */
  Served.Document manifest() throws IOException {
    Built built = current;
    if (built != null && isFresh(built)) {
      return built.manifest();
    }
    building.lock();
    try {
      built = current;
      if (built != null && isFresh(built)) {
        return built.manifest();
      }
      if (built != null) {
        awaitInterval(built.at());
      }
      Built fresh = build(built);
      current = fresh;
      return fresh.manifest();
    } finally {
      building.unlock();
    }
  }

  /**
   * Nothing was published since, and the blob is leased for long enough that whoever reads the
   * manifest now can read the blob; else the same bytes are stored and leased again.
   */
  private boolean isFresh(Built built) {
    return built.changes() == changes.get()
        && clock
            .instant()
            .isBefore(built.leasedUntil().minus(options.indexRetention().dividedBy(2)));
  }

  /** An index blob that a manifest named now or lately. */
  Served.@Nullable StoredBlob find(Digest name) {
    Built built = current;
    if (built != null) {
      for (Map.Entry<IndexVersion, Digest> e : built.indices().entrySet()) {
        if (nameOf(e.getValue()).equals(name)) {
          return new Served.StoredBlob(e.getValue(), e.getKey().mediaType());
        }
      }
    }
    Kept old = kept.get(name);
    return old == null || clock.instant().isAfter(old.until())
        ? null
        : new Served.StoredBlob(old.digest(), IndexVersion.DB_V8.mediaType());
  }

  private void awaitInterval(Instant last) throws IOException {
    Duration passed = Duration.between(last, clock.instant());
    Duration rest = options.indexInterval().minus(passed);
    if (passed.isNegative() || !rest.isPositive()) {
      return;
    }
    try {
      Thread.sleep(rest);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while the index was built");
    }
  }

  private Built build(@Nullable Built before) throws IOException {
    long seen = changes.get();
    IndexContent content = source.now();
    Map<DagHash, Integer> references = countReferences(content);
    Map<IndexVersion, Digest> indices = new HashMap<>();
    List<Manifest.Part> parts = new ArrayList<>();
    Instant until = clock.instant().plus(options.indexRetention());
    for (IndexVersion version : IndexVersion.values()) {
      Digest digest = write(version, content, references, until);
      indices.put(version, digest);
      parts.add(new Manifest.Part(digest, version.mediaType(), "none"));
    }
    if (before != null) {
      supersede(before, indices, until);
    }
    byte[] manifest = new Manifest(parts).json().getBytes(StandardCharsets.UTF_8);
    return new Built(
        seen,
        clock.instant(),
        until,
        Map.copyOf(indices),
        Served.Document.of(manifest, MediaTypes.JSON, false));
  }

  private Map<DagHash, Integer> countReferences(IndexContent content) throws IOException {
    Map<DagHash, Integer> references = new HashMap<>();
    eachNode(
        content, node -> node.dependencies().forEach(d -> references.merge(d, 1, Integer::sum)));
    return references;
  }

  private interface NodeVisitor {
    void visit(IndexNode node) throws IOException;
  }

  /** In the order of their hashes, so that the same content is the same text. */
  private void eachNode(IndexContent content, NodeVisitor visitor) throws IOException {
    if (content.few().isEmpty()) {
      db.eachNode(
          instance,
          (i, node) -> {
            if (content.lists(node.hash())) {
              visitor.visit(node);
            }
          });
      return;
    }
    for (DagHash hash : content.few().get()) {
      IndexNode node = db.node(instance, hash);
      if (node != null) {
        visitor.visit(node);
      }
    }
  }

  private Digest write(
      IndexVersion version, IndexContent content, Map<DagHash, Integer> references, Instant until)
      throws IOException {
    try (IndexText text = new IndexText(version)) {
      eachNode(
          content,
          node ->
              text.add(node, references.getOrDefault(node.hash(), 0), content.offers(node.hash())));
      Digest digest = text.end();
      // Noted before it is stored, so that a crash in between leaves no blob that nobody removes.
      db.putIndex(instance, digest, until);
      kept.put(nameOf(digest), new Kept(digest, until));
      Scope scope = Scope.farm(instance);
      text.store(blobs, scope, digest);
      blobs.lease(scope, List.of(digest), until);
      return digest;
    }
  }

  /** The old index ends its service after the retention; what ended before is let go. */
  private void supersede(Built before, Map<IndexVersion, Digest> now, Instant until)
      throws IOException {
    Scope scope = Scope.farm(instance);
    for (Digest old : before.indices().values()) {
      if (!now.containsValue(old)) {
        db.putIndex(instance, old, until);
        kept.put(nameOf(old), new Kept(old, until));
        blobs.lease(scope, List.of(old), until);
      }
    }
    for (Kept old : kept.values()) {
      if (clock.instant().isAfter(old.until()) && !now.containsValue(old.digest())) {
        kept.remove(nameOf(old.digest()));
        blobs.delete(scope, old.digest());
        db.removeIndex(instance, old.digest());
      }
    }
  }

  /** Paths name a blob by its hash alone. */
  static Digest nameOf(Digest digest) {
    return Digest.fromHash(digest.hashBytes(), 0);
  }
}
