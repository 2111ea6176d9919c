package build.thresher.cas.mirror;

import static build.thresher.cas.mirror.MirrorParts.BUILT;
import static build.thresher.cas.mirror.MirrorParts.DEVELOP;
import static build.thresher.cas.mirror.MirrorParts.RELEASE;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.PushedSpecs.Result;
import build.thresher.cas.mirror.Retention.Rules;
import build.thresher.cas.mirror.SyntheticMirror.Pushed;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Lists;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The life of a mirror, with a crash at every step; {@link CrashingMirror} says what must hold. */
class CrashPointTest {
  private static final Duration WEEK = Duration.ofDays(7);
  private static final Rules PINNED_ONLY = new Rules(Duration.ZERO, false, WEEK);

  @TempDir Path dir;

  @Test
  void noCrashLeavesAnythingHalfDone() throws Exception {
    List<Pushed> first = SyntheticMirror.dag("a");
    List<Pushed> second = SyntheticMirror.dag("b");
    try (CrashingMirror mirror = new CrashingMirror(dir)) {
      builds(mirror);
      pushes(mirror, first, second);
      mirror.restart();
      changesOfKeys(mirror);
      mirror.inSteps(
          "promote what a-9 needs",
          m -> m.promotion.promote(DEVELOP, RELEASE, List.of("a-9"), false, promoted -> {}));
      pruning(mirror);
      mirror.restart();
      removal(mirror, first);
      int points = mirror.points();
      assertTrue(points >= 500, points + " points");
    }
  }

  /** One by one, with a view and a pin between them. */
  private static void builds(CrashingMirror mirror) throws Exception {
    for (BuiltSpec built : SpackFixture.builtSpecs(mirror.store())) {
      String name = built.node().name();
      mirror.atOnce("publish " + name, m -> m.mirror.publish(BUILT, built));
      mirror.atOnce("publish it again", m -> m.mirror.publish(BUILT, built));
      if (name.equals("fl-left")) {
        mirror.atOnce("show it in a view", m -> m.views.set(BUILT, view("fl-left")));
        mirror.atOnce("show more there", m -> m.views.set(BUILT, view("fl-left", "fl-top")));
        mirror.atOnce("pin it", m -> m.pins.set(BUILT, pin("kept", "fl-left")));
        mirror.atOnce("note what was used", m -> m.mirror.writeUse());
      }
    }
    mirror.atOnce("forget the view", m -> m.views.remove(BUILT, "shown"));
    mirror.atOnce("forget the pin", m -> m.pins.remove(BUILT, "kept"));
  }

  /** One by one, together, and what is there already. */
  private static void pushes(CrashingMirror mirror, List<Pushed> one, List<Pushed> many)
      throws Exception {
    for (Pushed each : one) {
      push(mirror, DEVELOP, List.of(each));
    }
    for (List<Pushed> some : Lists.partition(many, 7)) {
      push(mirror, DEVELOP, some);
    }
    push(mirror, DEVELOP, many);
  }

  private static void push(CrashingMirror mirror, String instance, List<Pushed> specs)
      throws Exception {
    List<ManifestText> texts =
        specs.stream().map(each -> new ManifestText(each.manifest())).toList();
    mirror.atOnce(
        "push %d specs, %s first".formatted(specs.size(), specs.getFirst().node().name()),
        m -> {
          for (Pushed each : specs) {
            each.putBlobs(m.blobs, Scope.farm(instance));
          }
          for (Result result : m.pushed.takeAll(instance, texts, "test")) {
            result.get();
          }
        });
  }

  private static void changesOfKeys(CrashingMirror mirror) throws Exception {
    mirror.inSteps("announce a key", m -> m.rotation.announce(DEVELOP));
    mirror.inSteps("sign with it", CrashPointTest::rotate);
  }

  private static void rotate(MirrorParts m) throws Exception {
    if (m.rotation.status(DEVELOP).keys().size() > 1) {
      m.rotation.rotate(DEVELOP);
    }
    m.awaitOneKey(DEVELOP);
  }

  private static void pruning(CrashingMirror mirror) throws Exception {
    mirror.atOnce("pin b", m -> m.pins.set(DEVELOP, pin("b", "b-19")));
    mirror.atOnce("prune a", m -> m.retention.prune(DEVELOP, PINNED_ONLY, false));
    mirror.atOnce(
        "restore a part", m -> m.retention.restore(DEVELOP, List.of("a-5", "a-3"), false));
    mirror.atOnce("restore all", m -> m.retention.restore(DEVELOP, List.of(), true));
    mirror.atOnce("prune again", m -> m.retention.prune(DEVELOP, PINNED_ONLY, false));
  }

  /** The graces of what was pruned and of old indices end; what comes back wins. */
  private static void removal(CrashingMirror mirror, List<Pushed> pruned) throws Exception {
    push(mirror, DEVELOP, pruned.subList(0, 5));
    mirror.atOnce("prune what came back", m -> m.retention.prune(DEVELOP, PINNED_ONLY, false));
    push(mirror, DEVELOP, pruned.subList(0, 3));
    mirror.pass(WEEK.plusDays(1));
    mirror.inSteps("let go of what was pruned", m -> m.retention.expire());
    mirror.inSteps("let go of old indices", m -> m.mirror.expireIndices());
    push(mirror, DEVELOP, pruned.subList(0, 20));
    mirror.inSteps("check pins", CrashPointTest::checkPins);
  }

  /** With one too many. */
  private static void checkPins(MirrorParts m) throws Exception {
    Scope scope = Scope.farm(DEVELOP);
    Digest nobodys = m.blobs.put(scope, "nobody's".getBytes(StandardCharsets.UTF_8));
    m.blobs.pin(scope, List.of(nobodys));
    PinCheck.run(m.store, m.mirror, List.of());
  }

  private static View view(String... packages) {
    ImmutableSet<DagHash> all = ImmutableSet.of();
    return new View(
        "shown", all, ImmutableSet.copyOf(packages), ImmutableSet.of(), ImmutableSet.of(), "");
  }

  private static Pin pin(String name, String... specs) {
    return new Pin(
        name,
        ImmutableList.of(),
        ImmutableList.of(),
        ImmutableList.copyOf(specs),
        "",
        Instant.EPOCH);
  }
}
