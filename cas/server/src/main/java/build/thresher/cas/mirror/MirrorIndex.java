package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.IndexWriter.Written;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An index of one instance, of all of it or of a view: what Spack reads to know what the mirror
 * has.
 *
 * <p>It is built when somebody asks and something was published since, and at most once in {@link
 * MirrorOptions#indexInterval}. Whoever asks gets an index with everything whose publishing had
 * returned before; where that needs a new one too early, the asker waits for the rest of the
 * interval. Superseded index blobs can be read on, as {@link SupersededIndices} says.
 *
 * <p>Threading: any thread; one builds, the others wait for it.
 */
final class MirrorIndex {
  private static final Logger LOG = LoggerFactory.getLogger(MirrorIndex.class);

  private final String instance;
  private final NamingBlobStore blobs;
  private final MirrorOptions options;
  private final InstantSource clock;
  private final SupersededIndices superseded;
  private final IndexWriter writer;
  private final IndexContent.Source source;
  private final AtomicLong changes = new AtomicLong();
  private final ReentrantLock building = new ReentrantLock();
  private volatile @Nullable Built current;

  MirrorIndex(
      String instance,
      NamingBlobStore blobs,
      MirrorOptions options,
      InstantSource clock,
      SupersededIndices superseded,
      IndexWriter writer,
      IndexContent.Source source) {
    this.instance = instance;
    this.blobs = blobs;
    this.options = options;
    this.clock = clock;
    this.superseded = superseded;
    this.writer = writer;
    this.source = source;
  }

  private record Built(
      long changes,
      Instant begun,
      Instant leasedUntil,
      Written written,
      Served.Document manifest) {}

  /** Something new is visible; costs nothing until somebody asks. */
  void changed() {
    changes.incrementAndGet();
  }

  /** The index manifest, up to date. */
  Served.Document manifest() throws IOException {
    Built built = current;
    if (built != null && isFresh(built) && isLeased(built)) {
      return built.manifest();
    }
    building.lock();
    try {
      built = current;
      if (built != null && isFresh(built)) {
        if (isLeased(built)) {
          return built.manifest();
        }
        built = leasedAnew(built);
      } else if (built != null) {
        awaitInterval(built.begun());
      }
      if (built == null || !isFresh(built)) {
        built = build(built);
      }
      current = built;
      return built.manifest();
    } finally {
      building.unlock();
    }
  }

  private boolean isFresh(Built built) {
    return built.changes() == changes.get();
  }

  /** Whoever reads the manifest now can read the blob after it. */
  private boolean isLeased(Built built) {
    return clock.instant().isBefore(built.leasedUntil().minus(superseded.youth().dividedBy(2)));
  }

  /** Null when the store has let go of the blob, which nobody had asked for in a long time. */
  private @Nullable Built leasedAnew(Built built) throws IOException {
    try {
      Instant until = lease(built.written());
      return new Built(built.changes(), built.begun(), until, built.written(), built.manifest());
    } catch (BlobNotFoundException e) {
      LOG.info("the index of `{}` is written again: {}", instance, e.getMessage());
      return null;
    }
  }

  /** An index blob that a manifest named now or lately. */
  Served.@Nullable StoredBlob find(Digest name) {
    Built built = current;
    if (built != null) {
      for (Map.Entry<IndexVersion, Digest> e : built.written().texts().entrySet()) {
        if (nameOf(e.getValue()).equals(name)) {
          return new Served.StoredBlob(e.getValue(), e.getKey().mediaType());
        }
      }
    }
    Digest old = superseded.find(instance, name);
    return old == null ? null : new Served.StoredBlob(old, IndexVersion.DB_V8.mediaType());
  }

  /** No manifest names it any more. */
  void retire() throws IOException {
    building.lock();
    try {
      Built built = current;
      current = null;
      if (built != null) {
        supersede(built.written(), List.of());
      }
    } finally {
      building.unlock();
    }
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
    Instant begun = clock.instant();
    long seen = changes.get();
    Written now = writer.write(before == null ? null : before.written(), source.now());
    Instant leased = lease(now);
    List<Manifest.Part> parts = new ArrayList<>();
    now.texts()
        .forEach(
            (version, digest) -> {
              parts.add(new Manifest.Part(digest, version.mediaType(), "none"));
              superseded.remove(instance, digest);
            });
    if (before != null) {
      supersede(before.written(), now.texts().values());
    }
    byte[] manifest = new Manifest(parts).json().getBytes(StandardCharsets.UTF_8);
    Served.Document document = Served.Document.of(manifest, MediaTypes.JSON, false);
    return new Built(seen, begun, leased, now, document);
  }

  private Instant lease(Written index) throws IOException {
    Instant until = clock.instant().plus(superseded.youth());
    blobs.lease(Scope.farm(instance), index.texts().values(), until);
    return until;
  }

  private void supersede(Written before, Collection<Digest> now) throws IOException {
    for (Digest old : before.texts().values()) {
      if (!now.contains(old)) {
        superseded.add(instance, old);
      }
    }
  }

  /** Paths name a blob by its hash alone. */
  static Digest nameOf(Digest digest) {
    return Digest.fromHash(digest.hashBytes(), 0);
  }
}
