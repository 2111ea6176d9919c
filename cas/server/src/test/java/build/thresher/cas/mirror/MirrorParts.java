package build.thresher.cas.mirror;

import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;

/**
 * A mirror with all that changes it, in one directory: an instance in which the farm builds, and
 * two that take what anybody pushes. Nothing in it happens by itself but the end of a rotation.
 */
final class MirrorParts implements AutoCloseable {
  static final String BUILT = "default";
  static final String DEVELOP = "develop";
  static final String RELEASE = "release";
  static final List<String> INSTANCES = List.of(BUILT, DEVELOP, RELEASE);

  /** So that some blobs are files and some are not. */
  private static final int LARGE_BYTES = 3 << 10;

  final RocksBlobStore store;
  final NamingBlobStore blobs;
  final RocksSpackMirror mirror;
  final PushedSpecs pushed;
  final Promotion promotion;
  final Pins pins;
  final Views views;
  final Retention retention;
  final KeyRotation rotation;

  private MirrorParts(RocksBlobStore store, NamingBlobStore blobs, RocksSpackMirror mirror)
      throws IOException {
    this.store = store;
    this.blobs = blobs;
    this.mirror = mirror;
    pushed = new PushedSpecs(mirror, blobs, mirror.options());
    promotion = new Promotion(mirror);
    pins = Pins.open(mirror);
    views = Views.open(mirror);
    retention = new Retention(mirror, pins, views, instance -> Set.of());
    rotation = KeyRotation.start(mirror);
  }

  /** Opens them as they are after a crash, or makes them. */
  static MirrorParts open(Path dir, InstantSource clock) throws IOException {
    RocksBlobStore store = store(dir, clock);
    return open(dir, store, store, signers(dir, clock), clock);
  }

  /** The same, watched. */
  static MirrorParts open(Path dir, InstantSource clock, CrashPoints points) throws IOException {
    RocksBlobStore store = store(dir, clock);
    return open(
        dir,
        store,
        points.watch(NamingBlobStore.class, store),
        points.watch(Signers.class, signers(dir, clock)),
        clock);
  }

  private static MirrorParts open(
      Path dir, RocksBlobStore store, NamingBlobStore blobs, Signers signers, InstantSource clock)
      throws IOException {
    PushRules anybody = new PushRules(TrustedKeys.NONE, true);
    MirrorOptions options =
        SpackFixture.mirrorOptions(BUILT)
            .withPushed(ImmutableMap.of(DEVELOP, anybody, RELEASE, anybody))
            .withIndexInterval(Duration.ZERO);
    return new MirrorParts(
        store, blobs, RocksSpackMirror.open(dir.resolve("mirror"), blobs, signers, options, clock));
  }

  private static RocksBlobStore store(Path dir, InstantSource clock) throws IOException {
    StoreOptions options =
        StoreOptions.DEFAULTS
            .withReserveBytes(0)
            .withLargeBlobBytes(LARGE_BYTES)
            .withScrubBytesPerSecond(0);
    return RocksBlobStore.open(dir.resolve("blobs"), options, clock);
  }

  private static Signers signers(Path dir, InstantSource clock) {
    return Signers.inDirectory(dir.resolve("signer"), "test farm", clock, KeyType.ED25519);
  }

  /** Until a rotation is over, if there is one. */
  void awaitOneKey(String instance) throws InterruptedException {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (rotation.status(instance).keys().size() > 1) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("the rotation does not end");
      }
      Thread.sleep(1);
    }
  }

  @Override
  public void close() throws IOException {
    rotation.close();
    mirror.close();
    store.close();
  }
}
