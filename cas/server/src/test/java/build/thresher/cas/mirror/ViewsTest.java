package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.Promotion.Promoted;
import build.thresher.cas.mirror.PushedSpecs.Outcome;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Views of a mirror, and what goes from one instance to another without a copy. */
class ViewsTest {
  private static final Pattern ENTRY =
      Pattern.compile("\"name\":\"(fl-[a-z]+)\",\"version\".*?\"in_buildcache\":(true|false)");

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private RocksSpackMirror mirror;
  private Views views;
  private List<BuiltSpec> all;

  @BeforeEach
  void open() throws Exception {
    MirrorOptions d = SpackFixture.mirrorOptions("default", "develop");
    MirrorOptions options =
        new MirrorOptions(
            ImmutableMap.<String, String>builder()
                .putAll(d.installRoots())
                .put("elsewhere", "/other/root")
                .buildOrThrow(),
            d.pushed(),
            d.maxUnpackedBytes(),
            d.maxRatio(),
            d.maxEntries(),
            Duration.ZERO,
            d.indexRetention(),
            d.supersededBytes());
    Signers signers =
        new SignersInDirectory(
            dir.resolve("keys"), "test farm", InstantSource.system(), KeyType.ED25519);
    mirror =
        RocksSpackMirror.open(dir.resolve("db"), blobs, signers, options, InstantSource.system());
    views = Views.open(mirror);
    all = SpackFixture.builtSpecs(blobs);
    for (BuiltSpec built : all) {
      mirror.publish("default", built);
    }
  }

  @AfterEach
  void close() {
    mirror.close();
  }

  private static View packages(String name, String... packages) {
    return new View(
        name,
        ImmutableSet.of(),
        ImmutableSet.copyOf(packages),
        ImmutableSet.of(),
        ImmutableSet.of(),
        "");
  }

  /** What the index of a view offers, and what else it lists of the seven. */
  private Set<String> offered(String view, boolean offered) throws Exception {
    String manifest = text("default", "v3/manifests/index/" + view + "/index.manifest.json");
    String index =
        text("default", PublishedState.blobPath(PublishedState.checksums(manifest).getFirst()));
    Set<String> names = new TreeSet<>();
    for (String entry : index.split("\\{\"spec\":", -1)) {
      Matcher m = ENTRY.matcher(entry);
      if (m.find() && m.group(2).equals("" + offered)) {
        names.add(m.group(1));
      }
    }
    return names;
  }

  private String text(String instance, String path) throws Exception {
    return PublishedState.text(mirror, blobs, instance, path);
  }

  private DagHash hash(String name) {
    return all.stream()
        .map(BuiltSpec::node)
        .filter(n -> n.name().equals(name))
        .findFirst()
        .orElseThrow()
        .hash();
  }

  @Test
  void aViewShowsItsSpecsWithWhatTheyNeedAndFollowsWhatIsPublished() throws Exception {
    views.set("default", packages("left", "fl-left"));
    assertEquals(Set.of("fl-core", "fl-left"), offered("left", true));
    assertEquals(Set.of(), offered("left", false));
    views.set("default", packages("app", "fl-app"));
    close();
    open();
    assertEquals(Set.of("fl-app", "fl-core", "fl-right"), offered("app", true));
    assertEquals(2, views.of("default").size());
    views.set("default", packages("left", "fl-top"));
    assertEquals(Set.of("fl-core", "fl-left", "fl-right", "fl-top"), offered("left", true));
    views.remove("default", "left");
    assertTrue(mirror.get("default", "v3/manifests/index/left/index.manifest.json").isEmpty());
    assertTrue(mirror.get("default", "v3/manifests/index/none/index.manifest.json").isEmpty());
    assertThrows(NoSuchElementException.class, () -> views.remove("default", "left"));
  }

  @Test
  void kindsThatAreGivenMustAllFit() throws Exception {
    ImmutableSet<String> none = ImmutableSet.of();
    View environment =
        new View("env", ImmutableSet.of(hash("fl-right"), hash("fl-core")), none, none, none, "");
    views.set("default", environment);
    assertEquals(Set.of("fl-core", "fl-right"), offered("env", true));
    View target = new View("v3", ImmutableSet.of(), none, ImmutableSet.of("x86_64_v3"), none, "");
    views.set("default", target);
    assertEquals(7, views.size("default", target));
    View other =
        new View(
            "other", ImmutableSet.of(hash("fl-right")), none, ImmutableSet.of("zen4"), none, "");
    views.set("default", other);
    assertEquals(0, views.size("default", other));
    View client = new View("c", ImmutableSet.of(), none, none, ImmutableSet.of("ann"), "");
    assertEquals(0, views.size("default", client));
    View everything = new View("all", ImmutableSet.of(), none, none, none, "");
    assertThrows(IllegalArgumentException.class, () -> views.set("default", everything));
    assertThrows(
        IllegalArgumentException.class, () -> views.set("default", packages("../x", "fl-app")));
  }

  @Test
  void whatAViewShowsIsNotPruned() throws Exception {
    views.set("default", packages("left", "fl-left"));
    Retention retention = new Retention(mirror, Pins.open(mirror), views, instance -> Set.of());
    Retention.Outcome outcome =
        retention.prune(
            "default", new Retention.Rules(Duration.ZERO, false, Duration.ofDays(1)), false);
    assertEquals(5, outcome.decisions().stream().filter(Retention.Decision::pruned).count());
    assertEquals(Set.of("fl-core", "fl-left"), offered("left", true));
  }

  @Test
  void aPromotedSpecBringsWhatItNeedsUnderTheOtherKeyAndStoresNothing() throws Exception {
    long before = blobs.statistics().bytes();
    List<Promoted> promoted = new ArrayList<>();
    Promotion promotion = new Promotion(mirror);
    promotion.promote("default", "develop", List.of("fl-app@1.0"), false, promoted::add);
    assertEquals(
        List.of("fl-core", "fl-right", "fl-app"),
        promoted.stream().map(p -> p.served().name()).toList());
    assertEquals(before, blobs.statistics().bytes());
    assertEquals(3, PublishedState.requireWhole(mirror, blobs, "develop").size());
    assertFalse(mirror.fingerprint("default").equals(mirror.fingerprint("develop")));
    PublishedSpec app = mirror.find("develop", hash("fl-app")).orElseThrow();
    String path = MirrorPath.ofSpec(app.name(), app.version(), app.hash());
    assertFalse(text("default", path).equals(text("develop", path)), "another key signs");
    assertEquals(
        "default", mirror.provenance("develop", app.hash()).orElseThrow().get("promoted from"));
    assertEquals(2, blobs.pins(app.archive()));
    promoted.clear();
    promotion.promote("default", "develop", List.of("/" + app.hash()), true, promoted::add);
    assertTrue(promoted.stream().allMatch(p -> p.outcome() == Outcome.IDENTICAL));
    assertEquals(2, blobs.pins(app.archive()));

    MirrorStatistics statistics =
        new MirrorStatistics(mirror, List.of("default", "develop", "elsewhere"));
    MirrorStatistics.Bytes shared = Objects.requireNonNull(statistics.bytes().get("develop"));
    assertEquals(shared.logical(), shared.stored());
    assertEquals(0, shared.added(), "the first instance has it all");
    assertEquals(0, Objects.requireNonNull(statistics.bytes().get("elsewhere")).logical());
  }

  @Test
  void whatDoesNotFitIsNotPromoted() {
    Promotion promotion = new Promotion(mirror);
    assertThrows(
        ArchiveRefusedException.class,
        () -> promotion.promote("default", "elsewhere", List.of("fl-app"), false, p -> {}));
    assertEquals(0, mirror.size("elsewhere"));
    assertThrows(
        NoSuchElementException.class,
        () -> promotion.promote("default", "develop", List.of("fl-none"), false, p -> {}));
    assertThrows(
        IllegalArgumentException.class,
        () -> promotion.promote("default", "default", List.of("fl-app"), false, p -> {}));
  }
}
