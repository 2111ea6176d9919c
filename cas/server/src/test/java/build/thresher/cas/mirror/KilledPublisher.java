package build.thresher.cas.mirror;

import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/**
 * A process that publishes, and asks for indices meanwhile, until it is killed. Each acknowledged
 * spec is a line on standard output: instance and hash.
 */
final class KilledPublisher {
  private static final int PUBLISHERS = 4;

  private KilledPublisher() {}

  static RocksBlobStore blobs(Path dir) throws IOException {
    return RocksBlobStore.open(
        dir.resolve("blobs"), StoreOptions.DEFAULTS.withReserveBytes(0), InstantSource.system());
  }

  static RocksSpackMirror mirror(Path dir, NamingBlobStore blobs, int instances)
      throws IOException {
    MirrorOptions d =
        SpackFixture.mirrorOptions(
            IntStream.range(0, instances).mapToObj(i -> "i" + i).toArray(String[]::new));
    MirrorOptions options = d.withIndexInterval(Duration.ofMillis(1));
    return RocksSpackMirror.open(
        dir.resolve("mirror"), blobs, TestKeys.signers(dir), options, InstantSource.system());
  }

  /** Directory, number of instances, first instance. */
  public static void main(String[] args) throws Exception {
    Path dir = Path.of(args[0]);
    int instances = Integer.parseInt(args[1]);
    AtomicInteger next = new AtomicInteger(Integer.parseInt(args[2]));
    RocksBlobStore blobs = blobs(dir);
    RocksSpackMirror mirror = mirror(dir, blobs, instances);
    List<BuiltSpec> all = SpackFixture.builtSpecs(blobs);
    for (int i = 0; i < PUBLISHERS; i++) {
      Thread.ofPlatform()
          .start(
              () -> {
                while (true) {
                  publish(mirror, "i" + next.getAndIncrement() % instances, all);
                }
              });
    }
  }

  private static void publish(RocksSpackMirror mirror, String instance, List<BuiltSpec> all) {
    try {
      for (BuiltSpec built : all) {
        mirror.publish(instance, built);
        synchronized (System.out) {
          System.out.println(instance + " " + built.node().hash());
          System.out.flush();
        }
        if (mirror.get(instance, "v3/manifests/index/index.manifest.json").isEmpty()) {
          throw new IllegalStateException("no index of " + instance);
        }
      }
    } catch (Exception e) {
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }
}
