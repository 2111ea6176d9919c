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
 * A process that publishes, and reads what it publishes meanwhile, until it is killed. Each
 * acknowledged spec is a line on standard output: instance and hash; so is {@code read} with the
 * number of specs that a reader found whole. It ends by itself only when something is wrong.
 */
final class KilledPublisher {
  private static final int PUBLISHERS = 4;
  private static final int READERS = 2;

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
    for (int i = 0; i < READERS; i++) {
      int behind = i + 1;
      Thread.ofPlatform()
          .start(
              () -> {
                while (true) {
                  read(mirror, blobs, "i" + Math.floorMod(next.get() - behind, instances));
                }
              });
    }
  }

  /** Specs come in meanwhile: what the index lists is whole at every moment. */
  private static void read(RocksSpackMirror mirror, RocksBlobStore blobs, String instance) {
    try {
      say("read " + PublishedState.requireListedWhole(mirror, blobs, instance).size());
    } catch (Throwable e) {
      end(e);
    }
  }

  private static void say(String line) {
    synchronized (System.out) {
      System.out.println(line);
      System.out.flush();
    }
  }

  private static void end(Throwable e) {
    e.printStackTrace();
    Runtime.getRuntime().halt(1);
  }

  private static void publish(RocksSpackMirror mirror, String instance, List<BuiltSpec> all) {
    try {
      for (BuiltSpec built : all) {
        mirror.publish(instance, built);
        say(instance + " " + built.node().hash());
        if (mirror.get(instance, "v3/manifests/index/index.manifest.json").isEmpty()) {
          throw new IllegalStateException("no index of " + instance);
        }
      }
    } catch (Exception e) {
      end(e);
    }
  }
}
