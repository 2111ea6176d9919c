package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RocksSpackMirrorTest {
  private static final String INDEX = "v3/manifests/index/index.manifest.json";

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private final ManualClock clock = new ManualClock();
  private RocksSpackMirror mirror;
  private static Signers signers;

  /** Keys take a second to make. */
  @BeforeAll
  static void makeKeys(@TempDir Path keys) throws Exception {
    Map<String, Signer> made = new TreeMap<>();
    for (String instance : List.of("default", "second")) {
      made.put(instance, TestKeys.open(keys, instance));
    }
    signers = instance -> Objects.requireNonNull(made.get(instance));
  }

  /** Stands still until told. */
  private static final class ManualClock implements InstantSource {
    private volatile Instant now = Instant.now();

    @Override
    public Instant instant() {
      return now;
    }

    void advance(Duration by) {
      now = now.plus(by);
    }
  }

  private static MirrorOptions options() {
    MirrorOptions d = SpackFixture.mirrorOptions("default", "second");
    return d.withIndexInterval(Duration.ofMillis(20));
  }

  @BeforeEach
  void open() throws Exception {
    mirror = RocksSpackMirror.open(dir.resolve("db"), blobs, signers, options(), clock);
  }

  @AfterEach
  void close() {
    mirror.close();
  }

  private void reopen() throws Exception {
    close();
    open();
  }

  private String text(String path) throws Exception {
    return text("default", path);
  }

  private String text(String instance, String path) throws Exception {
    byte[] bytes =
        switch (mirror.get(instance, path).orElseThrow()) {
          case Served.Document d -> d.bytes();
          case Served.StoredBlob b -> blobs.readAll(Scope.farm(instance), b.digest());
        };
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static String blobPath(String hex) {
    return "blobs/sha256/" + hex.substring(0, 2) + "/" + hex;
  }

  private static String checksum(String manifest) {
    Matcher m = Pattern.compile("\"checksum\":\"([0-9a-f]{64})\"").matcher(manifest);
    assertTrue(m.find(), manifest);
    return m.group(1);
  }

  private String index() throws Exception {
    return text(blobPath(checksum(text(INDEX))));
  }

  /** What follows a node in an index: its counts. */
  private static Map<String, String> counts(String index) {
    Map<String, String> counts = new TreeMap<>();
    Matcher m =
        Pattern.compile("\"hash\":\"([a-z2-7]{32})\"},(\"ref_count\":\\d+,\"in_buildcache\":\\w+)}")
            .matcher(index);
    while (m.find()) {
      counts.put(m.group(1), m.group(2));
    }
    return counts;
  }

  @Test
  void servesWhatSpackItselfWrote() throws Exception {
    for (BuiltSpec built : SpackFixture.builtSpecs(blobs)) {
      mirror.publish("default", built);
      String path =
          MirrorPath.ofSpec(built.node().name(), built.node().version(), built.node().hash());
      String ours = text(path);
      String theirs = Files.readString(SpackFixture.DIR.resolve(path));
      int end = theirs.indexOf("-----BEGIN PGP SIGNATURE");
      assertEquals(theirs.substring(0, end), ours.substring(0, end));
      assertEquals(
          built.archive(),
          mirror.get("default", blobPath(built.archive().hex())).orElseThrow().digest());
      assertEquals(1, blobs.pins(built.archive()));
    }
    assertEquals(
        Files.readString(SpackFixture.DIR.resolve("v3/layout.json")), text("v3/layout.json"));
    assertEquals(7, mirror.size("default"));
  }

  @Test
  void theIndexHoldsWhatSpacksOwnIndexHolds() throws Exception {
    for (BuiltSpec built : SpackFixture.builtSpecs(blobs)) {
      mirror.publish("default", built);
    }
    String theirManifest = Files.readString(SpackFixture.DIR.resolve(INDEX));
    String theirs = Files.readString(SpackFixture.DIR.resolve(blobPath(checksum(theirManifest))));
    String ours = index();
    assertEquals(theirs.length(), ours.length());
    assertEquals(counts(theirs), counts(ours));
    assertEquals(13, counts(ours).size());
    assertEquals(
        theirManifest.replaceAll("[0-9a-f]{64}", ""), text(INDEX).replaceAll("[0-9a-f]{64}", ""));
  }

  @Test
  void anEmptyMirrorHasAnEmptyIndex() throws Exception {
    assertEquals("{\"database\":{\"version\":\"8\",\"installs\":{}}}", index());
  }

  @Test
  void eachInstanceServesItsOwnKeyAndSignsWithIt() throws Exception {
    BuiltSpec built = SpackFixture.builtSpec(blobs, "fl-core");
    Set<String> signatures = new HashSet<>();
    Set<String> keys = new HashSet<>();
    for (String instance : List.of("default", "second")) {
      String fingerprint = mirror.fingerprint(instance);
      String manifest = text(instance, "v3/manifests/key/" + fingerprint + ".key.manifest.json");
      String key = text(instance, blobPath(checksum(manifest)));
      assertTrue(key.startsWith("-----BEGIN PGP PUBLIC KEY BLOCK-----"), key);
      assertTrue(keys.add(key));
      String index = checksum(text(instance, "v3/manifests/key/keys.manifest.json"));
      assertEquals("{\"keys\":{\"" + fingerprint + "\":{}}}", text(instance, blobPath(index)));
      mirror.publish(instance, built);
      String path =
          MirrorPath.ofSpec(built.node().name(), built.node().version(), built.node().hash());
      String signed = text(instance, path);
      assertTrue(signatures.add(signed.substring(signed.indexOf("-----BEGIN PGP SIGNATURE"))));
    }
    String other = mirror.fingerprint("second");
    assertEquals(
        Optional.empty(),
        mirror.get("default", "v3/manifests/key/" + other + ".key.manifest.json"));
  }

  @Test
  void whatIsNotNamedIsNotServed() throws Exception {
    Digest secret = blobs.put(Scope.farm("default"), "of another".getBytes(StandardCharsets.UTF_8));
    BuiltSpec built = SpackFixture.builtSpec(blobs, "fl-core");
    mirror.publish("default", built);
    String hash = built.node().hash().text();
    for (String path :
        List.of(
            blobPath(secret.hex()),
            "blobs/sha256/00/" + built.archive().hex(),
            "v3/manifests/spec/fl-core/fl-core-1.1-" + hash + ".spec.manifest.json",
            "v3/manifests/spec/fl-left/fl-core-1.0-" + hash + ".spec.manifest.json",
            "v3/manifests/spec/fl-core/fl-core-1.0-" + "a".repeat(32) + ".spec.manifest.json",
            "v3/manifests/key/" + "0".repeat(40) + ".key.manifest.json",
            "v3/",
            "",
            "build_cache/index.json")) {
      assertEquals(Optional.empty(), mirror.get("default", path), path);
    }
    assertEquals(Optional.empty(), mirror.get("other", blobPath(built.archive().hex())));
    assertEquals(Optional.empty(), mirror.find("other", built.node().hash()));
  }

  @Test
  void concurrentPublishersGetOneWinner() throws Exception {
    BuiltSpec built = SpackFixture.builtSpec(blobs, "fl-core");
    List<BuiltSpec> candidates = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      // The same tar file in another gzip stream: another blob.
      Digest archive =
          blobs.put(Scope.farm("default"), regzip(SpackFixture.blob(built.archive()), i));
      candidates.add(with(built, archive));
    }
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Callable<PublishedSpec>> calls = new ArrayList<>();
      candidates.forEach(c -> calls.add(() -> mirror.publish("default", c)));
      Set<PublishedSpec> winners = new HashSet<>();
      for (Future<PublishedSpec> f : threads.invokeAll(calls)) {
        winners.add(f.get());
      }
      assertEquals(1, winners.size());
      assertEquals(
          winners.iterator().next(), mirror.find("default", built.node().hash()).orElseThrow());
    }
    assertEquals(1, candidates.stream().mapToInt(c -> blobs.pins(c.archive())).sum());
    assertEquals(1, mirror.size("default"));
  }

  private static BuiltSpec with(BuiltSpec built, Digest archive) {
    return new BuiltSpec(
        built.node(),
        archive,
        built.archiveMediaType(),
        built.spec(),
        built.specMediaType(),
        built.installRoot(),
        built.prefix(),
        built.provenance());
  }

  private static byte[] regzip(byte[] gzip, int variant) throws Exception {
    byte[] tar = SpackFixture.gunzip(gzip);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream z = new GZIPOutputStream(out)) {
      z.write(tar);
      // Tar files may be followed by zeros.
      z.write(new byte[512 * variant]);
    }
    return out.toByteArray();
  }

  @Test
  void aMissingBlobLeavesNothingVisible() throws Exception {
    BuiltSpec built = SpackFixture.builtSpec(blobs, "fl-core");
    blobs.delete(Scope.farm("default"), built.archive());
    assertThrows(BlobNotFoundException.class, () -> mirror.publish("default", built));
    assertEquals(Optional.empty(), mirror.find("default", built.node().hash()));
    SpackFixture.builtSpec(blobs, "fl-core");
    mirror.publish("default", built);
    assertTrue(mirror.find("default", built.node().hash()).isPresent());
  }

  @Test
  void anArchiveThatTheStoreLostIsReplacedByTheNextThatIsPublished() throws Exception {
    BuiltSpec built = SpackFixture.builtSpec(blobs, "fl-core");
    mirror.publish("default", built);
    BuiltSpec again =
        with(
            built, blobs.put(Scope.farm("default"), regzip(SpackFixture.blob(built.archive()), 1)));
    assertEquals(built.archive(), mirror.publish("default", again).archive());
    blobs.delete(Scope.farm("default"), built.archive());
    assertEquals(again.archive(), mirror.publish("default", again).archive());
    String path =
        MirrorPath.ofSpec(built.node().name(), built.node().version(), built.node().hash());
    assertTrue(text(path).contains(again.archive().hex()));
    assertEquals(0, blobs.pins(built.archive()));
    assertEquals(1, blobs.pins(again.archive()));
    assertEquals(1, blobs.pins(built.spec()));
    reopen();
    assertEquals(
        again.archive(), mirror.find("default", built.node().hash()).orElseThrow().archive());
    assertEquals(
        built.provenance(), mirror.provenance("default", built.node().hash()).orElseThrow());
    assertEquals(1, mirror.size("default"));
  }

  @Test
  void whatWasPublishedIsThereAfterARestart() throws Exception {
    for (BuiltSpec built : SpackFixture.builtSpecs(blobs)) {
      mirror.publish("default", built);
    }
    String manifest = text(INDEX);
    reopen();
    assertEquals(7, mirror.size("default"));
    String checksum = checksum(manifest);
    assertTrue(
        mirror.get("default", blobPath(checksum)).isPresent(), "index of before the restart");
    assertEquals(manifest, text(INDEX));
    BuiltSpec built = SpackFixture.builtSpec(blobs, "fl-core");
    assertEquals(
        mirror.publish("default", built),
        mirror.find("default", built.node().hash()).orElseThrow());
  }

  @Test
  void aSupersededIndexStaysReadableForItsRetention() throws Exception {
    String old = checksum(text(INDEX));
    mirror.publish("default", SpackFixture.builtSpec(blobs, "fl-core"));
    clock.advance(Duration.ofMinutes(1));
    String next = checksum(text(INDEX));
    assertNotEquals(old, next);
    clock.advance(Duration.ofMinutes(14));
    assertTrue(mirror.get("default", blobPath(old)).isPresent());
    clock.advance(Duration.ofMinutes(2));
    assertFalse(mirror.get("default", blobPath(old)).isPresent());
    mirror.publish("default", SpackFixture.builtSpec(blobs, "fl-left"));
    assertTrue(mirror.get("default", blobPath(checksum(text(INDEX)))).isPresent());
    assertTrue(mirror.get("default", blobPath(next)).isPresent());
    assertThrows(
        BlobNotFoundException.class,
        () -> blobs.readAll(Scope.farm("default"), Digest.parse(old, 46)),
        "let go when its retention was over");
  }

  @Test
  void whoAsksGetsAnIndexWithEverythingPublishedBefore() throws Exception {
    for (BuiltSpec built : SpackFixture.builtSpecs(blobs)) {
      mirror.publish("default", built);
      assertTrue(
          counts(index())
              .getOrDefault(built.node().hash().text(), "")
              .endsWith("\"in_buildcache\":true"),
          built.node().display());
    }
  }
}
