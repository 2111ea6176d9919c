package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.Retention.Decision;
import build.thresher.cas.mirror.Retention.Outcome;
import build.thresher.cas.mirror.Retention.Rules;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.DBOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;

/** What is kept of the seven specs that a real Spack pushed, and what goes. */
class RetentionTest {
  private static final Duration WEEK = Duration.ofDays(7);
  private static final Rules PINNED_ONLY = new Rules(Duration.ZERO, false, WEEK);
  private static final Set<String> ALL =
      Set.of("fl-app", "fl-core", "fl-left", "fl-right", "fl-suite", "fl-tools", "fl-top");

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private final Set<DagHash> running = new HashSet<>();
  private Instant now = Instant.now();
  private RocksSpackMirror mirror;
  private Pins pins;
  private Retention retention;
  private List<BuiltSpec> all;

  @BeforeEach
  void open() throws Exception {
    InstantSource clock = () -> now;
    MirrorOptions d = SpackFixture.mirrorOptions("default", "second");
    MirrorOptions options = d.withIndexInterval(Duration.ZERO);
    mirror = RocksSpackMirror.open(dir.resolve("db"), blobs, TestKeys.signers(dir), options, clock);
    pins = Pins.open(mirror);
    retention = new Retention(mirror, pins, Views.open(mirror), instance -> running);
    all = SpackFixture.builtSpecs(blobs);
    if (mirror.size("default") == 0 && mirror.require("default").allPruned().isEmpty()) {
      for (BuiltSpec built : all) {
        mirror.publish("default", built);
      }
    }
  }

  @AfterEach
  void close() {
    mirror.close();
  }

  private void reopen() throws Exception {
    close();
    open();
  }

  private BuiltSpec built(String name) {
    return all.stream().filter(b -> b.node().name().equals(name)).findFirst().orElseThrow();
  }

  private DagHash hash(String name) {
    return built(name).node().hash();
  }

  private void pin(String name, String... specs) throws IOException {
    pins.set(
        "default",
        new Pin(
            name, ImmutableList.of(), ImmutableList.of(), ImmutableList.copyOf(specs), "", now));
  }

  private Set<String> listed() throws Exception {
    Set<String> names = new TreeSet<>();
    for (DagHash hash : PublishedState.requireWhole(mirror, blobs, "default")) {
      names.add(
          all.stream()
              .filter(b -> b.node().hash().equals(hash))
              .findFirst()
              .orElseThrow()
              .node()
              .name());
    }
    return names;
  }

  private static Set<String> pruned(Outcome outcome) {
    return outcome.decisions().stream()
        .filter(Decision::pruned)
        .map(d -> d.spec().name())
        .collect(Collectors.toSet());
  }

  private String manifestPath(String name) {
    PublishedSpec spec =
        mirror.require("default").all().stream()
            .filter(s -> s.name().equals(name))
            .findFirst()
            .orElseThrow();
    return MirrorPath.ofSpec(spec.name(), spec.version(), spec.hash());
  }

  @Test
  void aPinKeepsWhatItsSpecsNeedAndDryRunsChangeNothing() throws Exception {
    pin("tools", "fl-top@1.0");
    Outcome dry = retention.prune("default", PINNED_ONLY, true);
    assertEquals(Set.of("fl-app", "fl-suite", "fl-tools"), pruned(dry));
    assertEquals(ALL, listed());
    Outcome outcome = retention.prune("default", PINNED_ONLY, false);
    assertEquals(pruned(dry), pruned(outcome));
    assertEquals(Set.of("fl-core", "fl-left", "fl-right", "fl-top"), listed());
    long bytes =
        outcome.decisions().stream().filter(Decision::pruned).mapToLong(Decision::bytes).sum();
    assertEquals(bytes, outcome.freedBytes());
    String why =
        outcome.decisions().stream()
            .filter(d -> d.spec().name().equals("fl-core"))
            .map(Decision::reason)
            .findFirst()
            .orElseThrow();
    assertEquals("needed by fl-top@1.0/" + hash("fl-top").shortText() + ", pinned by `tools`", why);
    reopen();
    assertEquals(Set.of("fl-core", "fl-left", "fl-right", "fl-top"), listed());
    assertEquals(3, retention.pruned("default").size());
  }

  @Test
  void whatIsUsedOrNeededByRunningWorkStays() throws Exception {
    now = now.plus(Duration.ofDays(40));
    assertTrue(mirror.find("default", hash("fl-left")).isPresent());
    running.add(hash("fl-app"));
    Outcome outcome =
        retention.prune("default", new Rules(Duration.ofDays(30), false, WEEK), false);
    assertEquals(Set.of("fl-suite", "fl-tools", "fl-top"), pruned(outcome));
    reopen();
    running.clear();
    // The use of fl-left is remembered, and a read of a manifest is one too.
    assertTrue(mirror.get("default", manifestPath("fl-right")).isPresent());
    Outcome second = retention.prune("default", new Rules(Duration.ofDays(30), false, WEEK), false);
    assertEquals(Set.of("fl-app"), pruned(second));
  }

  @Test
  void whenRunningWorkCannotBeAskedNothingGoes() throws Exception {
    Retention blind =
        new Retention(
            mirror,
            pins,
            Views.open(mirror),
            instance -> {
              throw new IOException("the scheduler does not answer");
            });
    assertThrows(IOException.class, () -> blind.prune("default", PINNED_ONLY, false));
    assertEquals(7, mirror.size("default"));
  }

  @Test
  void buildDependenciesOfALockFileStayOnlyWhereAsked() throws Exception {
    pins.set(
        "default",
        new Pin(
            "env",
            ImmutableList.of(hash("fl-core")),
            ImmutableList.of(hash("fl-left")),
            ImmutableList.of(),
            "spack.lock",
            now));
    Outcome without = retention.prune("default", PINNED_ONLY, true);
    assertTrue(pruned(without).contains("fl-left"));
    Outcome with = retention.prune("default", new Rules(Duration.ZERO, true, WEEK), true);
    assertFalse(pruned(with).contains("fl-left"));
    pins.remove("default", "env");
    assertEquals(ALL, pruned(retention.prune("default", PINNED_ONLY, true)));
    assertThrows(NoSuchElementException.class, () -> pins.remove("default", "env"));
  }

  @Test
  void whoReadsBetweenTheStepsOfAPruneOrRestoreGetsTheManifest() throws Exception {
    BuiltSpec app = built("fl-app");
    byte[] name = MirrorDb.name(app.node().hash());
    String path = manifestPath("fl-app");
    PublishedRecord record = Objects.requireNonNull(mirror.db().find("default", app.node().hash()));
    Pruned out = new Pruned(record.spec(), now, now.plus(WEEK), "");
    MirrorDb.Changes prune = mirror.db().changes();
    prune.delete(MirrorTable.PUBLISHED, "default", name);
    prune.put(MirrorTable.PRUNED, "default", name, out.toBytes(record));
    mirror.db().write(prune);
    assertTrue(mirror.get("default", path).isPresent(), "memory says that it is published");
    mirror.require("default").takeOut(out);
    MirrorDb.Changes restore = mirror.db().changes();
    restore.put(MirrorTable.PUBLISHED, "default", name, record.toBytes());
    restore.delete(MirrorTable.PRUNED, "default", name);
    mirror.db().write(restore);
    assertTrue(mirror.get("default", path).isPresent(), "memory says that it is pruned");
  }

  @Test
  void aMirrorOfAVersionThatKeptNoFactsIsPrunedLikeAnyOther() throws Exception {
    pin("suite", "fl-left");
    Set<Decision> before = decisions();
    close();
    dropFacts(dir.resolve("db"));
    open();
    assertEquals(before, decisions());
    retention.prune("default", PINNED_ONLY, false);
    assertEquals(Set.of("fl-core", "fl-left"), listed());
  }

  private Set<Decision> decisions() throws IOException {
    return Set.copyOf(retention.prune("default", PINNED_ONLY, true).decisions());
  }

  /** As such a version left it. */
  private static void dropFacts(Path db) throws RocksDBException {
    try (Options options = new Options();
        DBOptions database = new DBOptions()) {
      List<byte[]> names = RocksDB.listColumnFamilies(options, db.toString());
      List<ColumnFamilyHandle> families = new ArrayList<>();
      List<ColumnFamilyDescriptor> all = names.stream().map(ColumnFamilyDescriptor::new).toList();
      try (RocksDB rocks = RocksDB.open(database, db.toString(), all, families)) {
        byte[] facts = MirrorTable.FACTS.family().getBytes(StandardCharsets.US_ASCII);
        for (ColumnFamilyHandle family : families) {
          if (Arrays.equals(family.getName(), facts)) {
            rocks.dropColumnFamily(family);
          }
        }
        rocks.delete(NodeTable.HAVE_FACTS.getBytes(StandardCharsets.US_ASCII));
        families.forEach(ColumnFamilyHandle::close);
      }
    }
  }

  @Test
  void readersOfAnOldIndexFinishAndBlobsStayUntilTheGraceIsOver() throws Exception {
    String path = manifestPath("fl-app");
    BuiltSpec app = built("fl-app");
    mirror.publish("second", app);
    retention.prune("default", PINNED_ONLY, false);
    assertEquals(Set.of(), listed());
    assertTrue(mirror.find("default", app.node().hash()).isEmpty(), "a build must be run again");
    assertTrue(mirror.get("default", path).isPresent(), "an index names it for a while");
    String blob = PublishedState.blobPath(app.archive().hex());
    now = now.plus(Duration.ofMinutes(16));
    assertTrue(mirror.get("default", path).isEmpty());
    assertTrue(mirror.get("default", blob).isPresent());
    retention.expire();
    assertEquals(2, blobs.pins(app.archive()));
    now = now.plus(WEEK);
    reopen();
    retention.expire();
    assertTrue(mirror.get("default", blob).isEmpty());
    assertEquals(1, blobs.pins(app.archive()), "the other instance has it still");
    assertEquals(0, blobs.pins(built("fl-top").archive()));
    assertEquals(0, retention.pruned("default").size());
    mirror.db().nodes().eachName((i, node) -> assertEquals("second", i));
    mirror.publish("default", built("fl-core"));
    assertEquals(Set.of("fl-core"), listed());
  }

  @Test
  void whatWasPrunedComesBackWithWhatItNeeds() throws Exception {
    retention.prune("default", PINNED_ONLY, false);
    reopen();
    Retention.Restored restored = retention.restore("default", List.of("fl-app"), false);
    assertEquals(3, restored.restored().size());
    assertEquals(Set.of("fl-app", "fl-core", "fl-right"), listed());
    for (BuiltSpec built : all) {
      assertEquals(1, blobs.pins(built.archive()));
    }
    assertThrows(
        NoSuchElementException.class,
        () -> retention.restore("default", List.of("fl-nothing"), false));
    reopen();
    retention.restore("default", List.of(), true);
    assertEquals(ALL, listed());
    now = now.plus(WEEK.multipliedBy(2));
    retention.expire();
    assertEquals(ALL, listed());
  }

  @Test
  void whatIsBuiltAgainWinsOverWhatWasPruned() throws Exception {
    retention.prune("default", PINNED_ONLY, false);
    BuiltSpec core = built("fl-core");
    mirror.publish("default", core);
    assertEquals(2, blobs.pins(core.archive()));
    Retention.Restored restored =
        retention.restore("default", List.of("/" + core.node().hash()), false);
    assertEquals(List.of(core.node().hash()), restored.thereAlready());
    // Pruned again, it has one entry and one pin.
    retention.prune("default", PINNED_ONLY, false);
    assertEquals(1, blobs.pins(core.archive()));
    mirror.publish("default", core);
    now = now.plus(WEEK);
    retention.expire();
    assertEquals(1, blobs.pins(core.archive()));
    assertEquals(Set.of("fl-core"), listed());
    assertTrue(mirror.get("default", PublishedState.blobPath(core.archive().hex())).isPresent());
  }

  @Test
  void whatWasLostIsNotPutBack() throws Exception {
    retention.prune("default", PINNED_ONLY, false);
    Digest lost = built("fl-core").archive();
    blobs.delete(Scope.farm("default"), lost);
    assertThrows(IOException.class, () -> retention.restore("default", List.of("fl-core"), false));
    assertEquals(Set.of(), listed());
  }

  @Test
  void aPinOfAHashsBeginningMeansWhatIsThereNow() throws Exception {
    pin("one", "/" + hash("fl-core").text().substring(0, 8));
    Pin kept = Objects.requireNonNull(pins.of("default").iterator().next());
    assertEquals(List.of(hash("fl-core")), kept.hashes());
    assertEquals(1, pins.published("default", kept));
    assertThrows(NoSuchElementException.class, () -> pin("none", "/aaaaaaaa"));
    assertThrows(IllegalArgumentException.class, () -> pin("none", "fl core"));
    assertThrows(IllegalArgumentException.class, () -> pin("", "fl-core"));
    assertThrows(
        IllegalArgumentException.class, () -> retention.prune("nowhere", PINNED_ONLY, true));
  }
}
