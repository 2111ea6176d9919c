package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.PushedSpecs.Description;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.PushedSpecs.Outcome;
import build.thresher.cas.mirror.PushedSpecs.Result;
import build.thresher.cas.mirror.PushedSpecs.SpecFile;
import build.thresher.cas.mirror.PushedSpecs.Taken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Specs that real Spack releases pushed somewhere, taken into the farm. */
class PushedSpecsTest {
  private static final Path FIXTURES = Path.of("src/test/resources/spack");
  private static final Path KEY = FIXTURES.resolve("v3-signed.pub.asc");

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private RocksSpackMirror mirror;
  private PushedSpecs pushed;

  @BeforeEach
  void open() throws Exception {
    TrustedKeys farmlab = TrustedKeys.read(KEY, InstantSource.system());
    MirrorOptions d = SpackFixture.mirrorOptions("built");
    MirrorOptions options =
        new MirrorOptions(
            d.installRoots(),
            ImmutableMap.of(
                "release", new PushRules(farmlab, false),
                "review", new PushRules(farmlab, true),
                "strangers", new PushRules(TrustedKeys.NONE, false)),
            d.maxUnpackedBytes(),
            d.maxRatio(),
            d.maxEntries(),
            Duration.ZERO,
            d.indexRetention(),
            d.supersededBytes());
    mirror =
        RocksSpackMirror.open(
            dir.resolve("db"), blobs, TestKeys.signers(dir), options, InstantSource.system());
    pushed = new PushedSpecs(mirror, blobs, options);
  }

  @AfterEach
  void close() {
    mirror.close();
  }

  private Taken take(String instance, String manifest, String source) throws Exception {
    return pushed.take(instance, new ManifestText(manifest), source);
  }

  private Taken takeLegacy(String instance, String specFile, Digest archive, String source)
      throws Exception {
    return pushed.take(instance, new SpecFile(specFile, archive), source);
  }

  private static List<Path> files(Path below, String end) throws IOException {
    try (Stream<Path> all = Files.walk(below)) {
      return all.filter(f -> f.getFileName().toString().endsWith(end)).sorted().toList();
    }
  }

  private void upload(Path mirrorDirectory) throws IOException {
    for (Path blob : files(mirrorDirectory.resolve("blobs"), "")) {
      if (Files.isRegularFile(blob)) {
        blobs.put(Scope.farm(""), Files.readAllBytes(blob));
      }
    }
  }

  /** Manifests of a layout v3 directory whose blobs are uploaded. */
  private List<String> manifests(String fixture) throws IOException {
    upload(FIXTURES.resolve(fixture));
    List<String> texts = new ArrayList<>();
    for (Path file : files(FIXTURES.resolve(fixture), ".spec.manifest.json")) {
      texts.add(Files.readString(file));
    }
    return texts;
  }

  private String signedCore() throws IOException {
    return manifests("v3-signed").stream()
        .filter(m -> m.contains("6871"))
        .findFirst()
        .orElseThrow();
  }

  private Digest legacyArchive(String fixture, String name) throws IOException {
    byte[] bytes =
        Files.readAllBytes(
            files(FIXTURES.resolve(fixture), ".spack").stream()
                .filter(f -> f.toString().contains(name))
                .findFirst()
                .orElseThrow());
    return blobs.put(Scope.farm(""), bytes);
  }

  private static String legacySpec(String fixture, String name) throws IOException {
    for (Path file : files(FIXTURES.resolve(fixture).resolve("build_cache"), "")) {
      String text = file.getFileName().toString();
      if (text.contains(name) && text.contains(".spec.json")) {
        return Files.readString(file);
      }
    }
    throw new IllegalStateException("no " + name + " in " + fixture);
  }

  private JsonNode index(String instance) throws IOException {
    Served.Document manifest =
        (Served.Document)
            mirror.get(instance, "v3/manifests/index/index.manifest.json").orElseThrow();
    String checksum =
        new ObjectMapper()
            .readTree(manifest.bytes())
            .path("data")
            .path(0)
            .path("checksum")
            .asText();
    String path = "blobs/sha256/" + checksum.substring(0, 2) + "/" + checksum;
    Digest digest = mirror.get(instance, path).orElseThrow().digest();
    return new ObjectMapper().readTree(blobs.readAll(Scope.farm(instance), digest));
  }

  @Test
  void signedSpecsOfTwoReleasesAreTakenAndSignedAnew() throws Exception {
    for (String fixture : List.of("v3-signed", "v3-spack-1.1-signed")) {
      for (String manifest : manifests(fixture)) {
        Taken taken = take("release", manifest, "file:///" + fixture);
        assertEquals(Outcome.PUBLISHED, taken.outcome());
        assertEquals(Outcome.IDENTICAL, take("release", manifest, "again").outcome());
      }
    }
    assertEquals(11, mirror.size("release"));
    assertEquals(0, mirror.size("review"));
    JsonNode installs = index("release").path("database").path("installs");
    assertEquals(
        11, installs.findValues("in_buildcache").stream().filter(JsonNode::asBoolean).count());
  }

  @Test
  void aSpecOfLayout2KeepsItsArchiveAndItsHashAndBecomesReadable() throws Exception {
    for (String name : List.of("fl-core", "fl-left", "fl-right", "fl-top", "fl-app")) {
      Digest archive = legacyArchive("v2-signed", name);
      Taken taken = takeLegacy("release", legacySpec("v2-signed", name), archive, "old mirror");
      assertEquals(Outcome.PUBLISHED, taken.outcome());
      assertEquals(archive, taken.served().archive());
      String json =
          new String(
              SpackFixture.gunzip(blobs.readAll(Scope.farm("release"), taken.served().spec())),
              StandardCharsets.UTF_8);
      assertTrue(json.startsWith("{\"spec\":{\"_meta\":{\"version\":4}"), json);
      assertEquals("old mirror", provenance(taken).get("source"));
      assertEquals("22352C5866F3591BDD92B89CFF9A3141FA27B872", provenance(taken).get("signed-by"));
    }
  }

  private ImmutableMap<String, String> provenance(Taken taken) throws IOException {
    return mirror.provenance("release", taken.served().hash()).orElseThrow();
  }

  /** The text that Spack 1.3 writes when it migrates and indexes this mirror. */
  @Test
  void theIndexOfAMigratedSpecIsWhatSpackWrites() throws Exception {
    Digest archive = legacyArchive("v2-unsigned", "fl-core");
    takeLegacy("review", legacySpec("v2-unsigned", "fl-core"), archive, "x");
    JsonNode glibc =
        index("review").path("database").path("installs").path("bvqfy73zr3su2dnlqwc3y4e4ywpxurno");
    assertEquals(
        "{\"original_specfile_version\":4,\"compiler\":\"gcc@=12.2.0\"}",
        glibc.path("spec").path("annotations").toString());
    assertTrue(glibc.path("spec").path("compiler").isMissingNode());
    assertEquals("bvqfy73zr3su2dnlqwc3y4e4ywpxurno", glibc.path("spec").path("hash").asText());
    assertEquals(2, glibc.path("ref_count").asInt());
    assertFalse(glibc.path("in_buildcache").asBoolean());
  }

  @Test
  void theFirstArchiveOfAHashIsKept() throws Exception {
    String manifest = signedCore();
    Taken first = take("release", manifest, "x");
    blobs.put(Scope.farm(""), new byte[0]);
    Taken again = take("release", manifest, "y");
    assertEquals(Outcome.IDENTICAL, again.outcome());
    assertEquals(first.served(), again.served());
  }

  @Test
  void unsignedSpecsGoWhereTheyMay() throws Exception {
    for (String manifest : manifests("v3-unsigned")) {
      assertEquals(Outcome.PUBLISHED, take("review", manifest, "x").outcome());
      BadSignatureException e =
          assertThrows(BadSignatureException.class, () -> take("release", manifest, "x"));
      assertTrue(String.valueOf(e.getMessage()).contains("not signed"), e.getMessage());
    }
    String signed = signedCore();
    assertThrows(BadSignatureException.class, () -> take("strangers", signed, "x"));
    ArchiveRefusedException e =
        assertThrows(ArchiveRefusedException.class, () -> take("built", signed, "x"));
    assertTrue(String.valueOf(e.getMessage()).contains("those that do: "), e.getMessage());
    assertEquals(0, mirror.size("release"));
  }

  @Test
  void manifestsThatNameSomethingElseAreRefused() throws Exception {
    String plain = manifests("v3-unsigned").getFirst();
    List<UnaryOperator<String>> mutations =
        List.of(
            s -> s.replace("\"version\":3", "\"version\":2"),
            s -> s.replace("install.v2.tar+gzip", "install.v9.tar+gzip"),
            s -> s.replace("\"sha256\"", "\"md5\""),
            s -> s.replaceFirst("\"contentLength\":\\d+", "\"contentLength\":-1"),
            s -> s.replace("\"compression\":\"gzip\"", "\"compression\":\"brotli\""),
            s -> s.replaceFirst("\"checksum\":\"..", "\"checksum\":\"../.."),
            s -> s + "{}",
            s -> s.replace("\"version\":3", "\"version\":3,\"version\":3"),
            s -> "[]",
            s -> "",
            s -> "<html>");
    for (int i = 0; i < mutations.size(); i++) {
      String mutated = mutations.get(i).apply(plain);
      assertThrows(
          ArchiveRefusedException.class, () -> take("review", mutated, "x"), "mutation " + i);
    }
  }

  @Test
  void blobsThatAreMissingOrSwappedAreRefused() throws Exception {
    String left = manifests("v3-unsigned").get(1);
    String swapped = manifests("v3-unsigned").getFirst();
    String other =
        left.replaceFirst("(?s)\\{[^{]*install.v2.tar[^}]*\\}", entry(swapped, "install.v2.tar"));
    ArchiveRefusedException e =
        assertThrows(ArchiveRefusedException.class, () -> take("review", other, "x"));
    assertTrue(String.valueOf(e.getMessage()).contains("spec"), e.getMessage());
    String missing = left.replaceFirst("\"checksum\":\"[0-9a-f]{8}", "\"checksum\":\"00000000");
    assertThrows(BlobNotFoundException.class, () -> take("review", missing, "x"));
    assertEquals(0, mirror.size("review"));
  }

  @Test
  void ofSpecsThatComeTogetherTheRefusedOnesKeepNoneOut() throws Exception {
    List<String> signed = manifests("v3-signed");
    String unsigned = manifests("v3-unsigned").getFirst();
    Digest archive = legacyArchive("v2-signed", "fl-core");
    Digest broken = legacyArchive("v2-broken", "fl-core");
    List<Description> together = new ArrayList<>();
    signed.forEach(text -> together.add(new ManifestText(text)));
    together.add(new ManifestText(unsigned));
    together.add(new ManifestText(signed.getFirst()));
    together.add(new ManifestText("<html>"));
    together.add(new ManifestText(signed.getFirst(), "a".repeat(32)));
    together.add(new SpecFile(legacySpec("v2-signed", "fl-core"), archive));
    together.add(new SpecFile(legacySpec("v2-signed", "fl-core"), broken));
    long before = mirror.require("release").changes();
    List<Result> results = pushed.takeAll("release", together, "x");
    assertEquals(together.size(), results.size());
    int n = signed.size();
    for (Result result : results.subList(0, n)) {
      assertEquals(Outcome.PUBLISHED, result.get().outcome());
    }
    assertThrows(BadSignatureException.class, () -> results.get(n).get());
    assertEquals(results.getFirst().get().served(), results.get(n + 1).get().served());
    assertThrows(BadSignatureException.class, () -> results.get(n + 2).get());
    assertThrows(ArchiveRefusedException.class, () -> results.get(n + 3).get());
    assertEquals(Outcome.PUBLISHED, results.get(n + 4).get().outcome());
    assertThrows(ArchiveRefusedException.class, () -> results.get(n + 5).get());
    assertEquals(n + 1, mirror.size("release"));
    assertEquals(n + 1, mirror.require("release").changes() - before, "each is shown once");
    for (Result result : pushed.takeAll("release", together.subList(0, n), "y")) {
      assertEquals(Outcome.IDENTICAL, result.get().outcome());
    }
  }

  private static String entry(String manifest, String mediaType) {
    int at = manifest.indexOf(mediaType);
    return manifest.substring(manifest.lastIndexOf('{', at), manifest.indexOf('}', at) + 1);
  }

  @Test
  void aLegacySpecFileVouchesForItsOwnArchiveOnly() throws Exception {
    Digest broken = legacyArchive("v2-broken", "fl-core");
    String core = legacySpec("v2-signed", "fl-core");
    ArchiveRefusedException e =
        assertThrows(ArchiveRefusedException.class, () -> takeLegacy("release", core, broken, "x"));
    assertTrue(String.valueOf(e.getMessage()).contains("vouches"), e.getMessage());
    Digest left = legacyArchive("v2-signed", "fl-left");
    assertThrows(ArchiveRefusedException.class, () -> takeLegacy("release", core, left, "x"));
    String tampered = core.replace("\"version\":\"1.0\"", "\"version\":\"1.1\"");
    assertThrows(BadSignatureException.class, () -> takeLegacy("release", tampered, left, "x"));
  }

  @Test
  void whatWasPushedIsThereAfterARestart() throws Exception {
    take("release", signedCore(), "x");
    byte[] before = index("release").toString().getBytes(StandardCharsets.UTF_8);
    close();
    open();
    assertEquals(1, mirror.size("release"));
    assertArrayEquals(before, index("release").toString().getBytes(StandardCharsets.UTF_8));
  }
}
