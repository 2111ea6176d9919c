package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.Publishing.Checked;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A crash at every step of publishing and of building an index, on real stores: before and after
 * each call into the blob store both directories are copied as a kill would leave them, and opened
 * again. What the mirror then shows must be whole, what was acknowledged must be there, and the
 * result that was on its way can be published again.
 */
class CrashPointTest {
  private static final String INSTANCE = "default";

  @TempDir Path dir;
  private final List<Point> points = new ArrayList<>();
  private final Set<DagHash> acknowledged = new HashSet<>();

  private record Point(String step, Path copy, Set<DagHash> acknowledged) {}

  private RocksBlobStore store(Path at) throws IOException {
    StoreOptions options = StoreOptions.DEFAULTS.withReserveBytes(0);
    return RocksBlobStore.open(at.resolve("blobs"), options, InstantSource.system());
  }

  private RocksSpackMirror mirror(Path at, NamingBlobStore blobs, Signers signers)
      throws IOException {
    MirrorOptions d = SpackFixture.mirrorOptions(INSTANCE);
    MirrorOptions options = d.withIndexInterval(Duration.ZERO);
    return RocksSpackMirror.open(
        at.resolve("mirror"), blobs, signers, options, InstantSource.system());
  }

  @Test
  void noCrashLeavesAnythingHalfPublished() throws Exception {
    Signers signers = TestKeys.signers(dir);
    Path live = Files.createDirectories(dir.resolve("live"));
    List<BuiltSpec> all;
    try (RocksBlobStore blobs = store(live);
        RocksSpackMirror mirror = mirror(live, new Stepping(blobs, live), signers)) {
      all = SpackFixture.builtSpecs(blobs);
      for (BuiltSpec built : all.subList(0, 5)) {
        mirror.publish(INSTANCE, built);
        acknowledged.add(built.node().hash());
        step("acknowledged", live);
        assertEquals(acknowledged, PublishedState.requireWhole(mirror, blobs, INSTANCE));
      }
      List<Checked> together = new ArrayList<>();
      for (BuiltSpec built : all.subList(5, 7)) {
        together.add(mirror.check(INSTANCE, OfferedSpec.of(built)));
      }
      mirror.publish(INSTANCE, together);
      together.forEach(each -> acknowledged.add(each.hash()));
      step("acknowledged", live);
      assertEquals(acknowledged, PublishedState.requireWhole(mirror, blobs, INSTANCE));
    }
    assertTrue(points.size() >= 40, points.size() + " points");
    for (Point point : points) {
      requireWholeAfter(point, all, signers);
    }
  }

  private void requireWholeAfter(Point point, List<BuiltSpec> all, Signers signers)
      throws Exception {
    try (RocksBlobStore blobs = store(point.copy());
        RocksSpackMirror mirror = mirror(point.copy(), blobs, signers)) {
      Set<DagHash> seen = PublishedState.requireWhole(mirror, blobs, INSTANCE);
      assertTrue(seen.containsAll(point.acknowledged()), point.step());
      for (BuiltSpec built : all) {
        PublishedSpec again = mirror.publish(INSTANCE, built);
        assertEquals(built.archive(), again.archive(), point.step());
      }
      assertEquals(
          all.size(), PublishedState.requireWhole(mirror, blobs, INSTANCE).size(), point.step());
      for (BuiltSpec built : all) {
        assertTrue(!blobs.delete(Scope.farm(INSTANCE), built.archive()), "pinned after a crash");
      }
    } catch (AssertionError e) {
      throw new AssertionError("after a crash " + point.step(), e);
    }
  }

  private void step(String what, Path live) {
    Path copy = dir.resolve("crash-" + points.size());
    points.add(new Point(what, copy, Set.copyOf(acknowledged)));
    try {
      Files.walkFileTree(live, new Copy(live, copy));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Locks are left out, as a kill leaves none. */
  private static final class Copy extends SimpleFileVisitor<Path> {
    private final Path from;
    private final Path to;

    Copy(Path from, Path to) {
      this.from = from;
      this.to = to;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path d, BasicFileAttributes a) throws IOException {
      Files.createDirectories(to.resolve(from.relativize(d)));
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes a) throws IOException {
      Files.copy(file, to.resolve(from.relativize(file)));
      return FileVisitResult.CONTINUE;
    }
  }

  private interface Call<T> {
    T run() throws IOException;
  }

  /** A store that is copied before and after each of its calls that read or change it. */
  private final class Stepping implements NamingBlobStore {
    private final NamingBlobStore store;
    private final Path live;

    Stepping(NamingBlobStore store, Path live) {
      this.store = store;
      this.live = live;
    }

    private <T> T around(String what, Call<T> call) throws IOException {
      step("before " + what, live);
      T result = call.run();
      step("after " + what, live);
      return result;
    }

    @Override
    public Set<Digest> findMissing(Scope scope, Collection<Digest> wanted) throws IOException {
      return store.findMissing(scope, wanted);
    }

    @Override
    public InputStream read(Scope scope, Digest digest, long offset, long length)
        throws IOException {
      return store.read(scope, digest, offset, length);
    }

    @Override
    public BlobWriter write(Scope scope, Digest digest) throws IOException {
      return store.write(scope, digest);
    }

    @Override
    public NamingBlobWriter writeUnnamed(Scope scope, long atMostBytes) throws IOException {
      NamingBlobWriter writer = store.writeUnnamed(scope, atMostBytes);
      return new NamingBlobWriter() {
        @Override
        public void write(ByteBuffer bytes) throws IOException {
          writer.write(bytes);
        }

        @Override
        public long position() {
          return writer.position();
        }

        @Override
        public Digest name() {
          return writer.name();
        }

        @Override
        public void commit() throws IOException {
          around(
              "the commit of an index",
              () -> {
                writer.commit();
                return true;
              });
        }

        @Override
        public void close() throws IOException {
          writer.close();
        }
      };
    }

    @Override
    public void putAll(Scope scope, List<Blob> blobs) throws IOException {
      store.putAll(scope, blobs);
    }

    @Override
    public void lease(Scope scope, Collection<Digest> digests, Instant until) throws IOException {
      around(
          "a lease",
          () -> {
            store.lease(scope, digests, until);
            return true;
          });
    }

    @Override
    public void pin(Scope scope, Collection<Digest> digests) throws IOException {
      around(
          "the pins",
          () -> {
            store.pin(scope, digests);
            return true;
          });
    }

    @Override
    public void unpin(Scope scope, Collection<Digest> digests) throws IOException {
      around(
          "an unpin",
          () -> {
            store.unpin(scope, digests);
            return true;
          });
    }

    @Override
    public boolean delete(Scope scope, Digest digest) throws IOException {
      return around("a removal", () -> store.delete(scope, digest));
    }

    @Override
    public Statistics statistics() {
      return store.statistics();
    }

    @Override
    public void close() {}
  }
}
