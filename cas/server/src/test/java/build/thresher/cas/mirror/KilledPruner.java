package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.mirror.Retention.Rules;
import build.thresher.cas.store.RocksBlobStore;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;

/**
 * A process that publishes, prunes all but what one pin keeps, and restores, until it is killed. A
 * line on standard output says what was done.
 */
final class KilledPruner {
  static final String INSTANCE = "i0";
  static final Rules RULES = new Rules(Duration.ZERO, false, Duration.ofDays(7));

  private KilledPruner() {}

  static Retention retention(RocksSpackMirror mirror) throws IOException {
    Pins pins = Pins.open(mirror);
    pins.set(
        INSTANCE,
        new Pin(
            "top",
            ImmutableList.of(),
            ImmutableList.of(),
            ImmutableList.of("fl-top"),
            "",
            Instant.now()));
    return new Retention(mirror, pins, Views.open(mirror), instance -> Set.of());
  }

  public static void main(String[] args) throws Exception {
    Path dir = Path.of(args[0]);
    RocksBlobStore blobs = KilledPublisher.blobs(dir);
    RocksSpackMirror mirror = KilledPublisher.mirror(dir, blobs, 1);
    Retention retention = retention(mirror);
    List<BuiltSpec> all = SpackFixture.builtSpecs(blobs);
    while (true) {
      for (BuiltSpec built : all) {
        mirror.publish(INSTANCE, built);
        System.out.println("published");
      }
      retention.prune(INSTANCE, RULES, false);
      System.out.println("pruned");
      retention.restore(INSTANCE, List.of(), true);
      System.out.println("restored");
      retention.prune(INSTANCE, RULES, false);
      System.out.println("pruned");
    }
  }
}
