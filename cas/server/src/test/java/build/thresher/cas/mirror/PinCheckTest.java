package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.Retention.Rules;
import build.thresher.cas.mirror.SyntheticMirror.Pushed;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PinCheckTest {
  private static final String INSTANCE = "release";
  private static final Scope SCOPE = Scope.farm(INSTANCE);

  @TempDir Path dir;

  /** As a crash leaves them between the end of a name and its pin's, or before a name began. */
  @Test
  void pinsThatNothingNamesAreDroppedAndAllOthersStay() throws Exception {
    try (MirrorOnDisk at = MirrorOnDisk.open(dir, INSTANCE)) {
      List<Pushed> specs = SyntheticMirror.dag("a");
      for (Pushed spec : specs) {
        spec.putBlobs(at.blobs(), SCOPE);
        at.pushed().take(INSTANCE, new ManifestText(spec.manifest()), "test");
      }
      Rules rules = new Rules(Duration.ZERO, false, Duration.ofDays(7));
      String top = specs.getLast().node().name();
      at.retention().prune(INSTANCE, rules, false);
      at.retention().restore(INSTANCE, List.of(top), false);
      Digest nobodys = at.blobs().put(SCOPE, "nobody's".getBytes(StandardCharsets.UTF_8));
      Digest another = at.blobs().put(SCOPE, "another's".getBytes(StandardCharsets.UTF_8));
      Digest twice = specs.getFirst().archive().digest();
      at.blobs().pin(SCOPE, List.of(nobodys, another, another, twice));

      assertEquals(2, PinCheck.run(at.blobs(), at.mirror(), List.of(v -> twoOf(another, v))));
      assertEquals(0, PinCheck.run(at.blobs(), at.mirror(), List.of(v -> twoOf(another, v))));

      assertTrue(at.blobs().delete(SCOPE, nobodys));
      assertFalse(at.blobs().delete(SCOPE, another));
      for (PublishedSpec spec : at.mirror().require(INSTANCE).all()) {
        at.mirror().unpin(INSTANCE, spec);
        assertTrue(at.blobs().delete(SCOPE, spec.archive()), "it had more than one pin");
      }
    }
  }

  private static void twoOf(Digest digest, Consumer<Digest> visitor) {
    visitor.accept(digest);
    visitor.accept(digest);
  }
}
