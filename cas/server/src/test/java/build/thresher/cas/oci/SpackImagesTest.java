package build.thresher.cas.oci;

import static build.thresher.cas.oci.RegistryUnderTest.code;
import static build.thresher.cas.oci.RegistryUnderTest.json;
import static build.thresher.cas.oci.RegistryUnderTest.manifest;
import static build.thresher.cas.oci.RegistryUnderTest.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.mirror.SpackFixture;
import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Specs that real Spack wrote, as images in and out. */
@Timeout(180)
class SpackImagesTest {
  private RegistryUnderTest registry;
  private BuiltSpec core;
  private byte[] archive;
  private byte[] config;
  private String tag;

  @BeforeEach
  void start(@TempDir Path dir) throws Exception {
    registry = new RegistryUnderTest(dir);
    core = SpackFixture.builtSpec(registry.blobs, "fl-core");
    archive = SpackFixture.blob(core.archive());
    tag = "fl-core-" + core.node().version() + "-" + core.node().hash() + ".spack";
    config = config(archive);
  }

  @AfterEach
  void stop() throws Exception {
    registry.close();
  }

  /** What Spack puts into the config beside what images have. */
  private byte[] config(byte[] vouchedFor) throws Exception {
    SpecDocument document = SpecDocument.parse(SpackFixture.gunzip(SpackFixture.blob(core.spec())));
    String spec =
        new String(
            document.subDocument(core.node().hash(), document.nodes().keySet()),
            StandardCharsets.UTF_8);
    return ("{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},"
            + "\"config\":{\"Env\":[\"PATH=/bin\"]},\"binary_cache_checksum\":{\"hash_algorithm\":\"sha256\",\"hash\":\""
            + Digest.of(vouchedFor).hex()
            + "\"},"
            + spec.substring(1))
        .getBytes(StandardCharsets.UTF_8);
  }

  private HttpResponse<byte[]> push(String repository, String under) throws Exception {
    registry.push(repository, archive);
    registry.push(repository, config);
    return registry.putManifest(repository, under, manifest(config, archive));
  }

  @Test
  void aSpecThatIsPushedIsInTheMirrorAndInTheIndex() throws Exception {
    HttpResponse<byte[]> put = push("review", tag);
    assertEquals(201, put.statusCode(), text(put));
    assertTrue(registry.mirror.find("review", core.node().hash()).isPresent());
    assertArrayEquals(
        manifest(config, archive), registry.get("/v2/review/manifests/" + tag).body());
    assertTrue(text(registry.get("/v2/review/tags/list")).contains(tag));
    JsonNode index = json(registry.get("/v2/review/manifests/index.spack"));
    String blob = index.path("layers").path(0).path("digest").asText();
    String entries = text(registry.get("/v2/review/blobs/" + blob));
    assertTrue(entries.contains(core.node().hash().text()), entries);
    JsonNode mirrored = json(registry.get("/mirror/review/v3/manifests/index/index.manifest.json"));
    assertEquals("sha256:" + mirrored.path("data").path(0).path("checksum").asText(), blob);
    // Spack pushes an index of its own after that; the mirror's stays.
    byte[] theirs = "{}".getBytes(StandardCharsets.US_ASCII);
    registry.push("review", theirs);
    assertEquals(
        201, registry.putManifest("review", "index.spack", manifest(theirs, theirs)).statusCode());
    assertEquals(
        blob,
        json(registry.get("/v2/review/manifests/index.spack"))
            .path("layers")
            .path(0)
            .path("digest")
            .asText());
  }

  @Test
  void aSpecUnderAnotherTagOrWithAnotherArchiveIsRefused() throws Exception {
    String otherHash = tag.replace(core.node().hash().text(), "a".repeat(32));
    for (String under : new String[] {otherHash, tag.replace("core", "gore"), "x.spack"}) {
      assertEquals("400 MANIFEST_INVALID", code(push("review", under)), under);
    }
    byte[] broken = archive.clone();
    broken[broken.length / 2] ^= 1;
    registry.push("review", broken);
    assertEquals(
        "400 MANIFEST_INVALID",
        code(registry.putManifest("review", tag, manifest(config, broken))));
    byte[] vouching = config(broken);
    registry.push("review", vouching);
    assertEquals(
        "400 MANIFEST_INVALID",
        code(registry.putManifest("review", tag, manifest(vouching, broken))));
    byte[] foreign = "{\"spec\":{}}".getBytes(StandardCharsets.US_ASCII);
    registry.push("review", foreign);
    assertEquals(
        "400 MANIFEST_INVALID",
        code(registry.putManifest("review", tag, manifest(foreign, archive))));
    assertEquals(
        "400 MANIFEST_INVALID", code(registry.putManifest("review", tag, manifest(config))));
    assertTrue(registry.mirror.find("review", core.node().hash()).isEmpty());
    assertEquals("404 MANIFEST_UNKNOWN", code(registry.get("/v2/review/manifests/" + tag)));
  }

  @Test
  void theFirstArchiveOfAHashStays() throws Exception {
    assertEquals(201, push("review", tag).statusCode());
    assertEquals(201, push("review", tag).statusCode());
    byte[] other = regzipped();
    byte[] vouching = config(other);
    registry.push("review", other);
    registry.push("review", vouching);
    assertEquals(
        "403 DENIED", code(registry.putManifest("review", tag, manifest(vouching, other))));
    assertArrayEquals(
        manifest(config, archive), registry.get("/v2/review/manifests/" + tag).body());
  }

  private byte[] regzipped() throws Exception {
    java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
    try (var gzip = new java.util.zip.GZIPOutputStream(out)) {
      gzip.write(SpackFixture.gunzip(archive));
      gzip.write(new byte[512]);
    }
    return out.toByteArray();
  }

  @Test
  void whatTheFarmBuiltIsAnImageToo() throws Exception {
    for (BuiltSpec built : SpackFixture.builtSpecs(registry.blobs)) {
      registry.mirror.publish("built", built);
    }
    JsonNode tags = json(registry.get("/v2/built/tags/list")).path("tags");
    assertEquals(8, tags.size());
    for (JsonNode each : tags) {
      JsonNode image = json(registry.get("/v2/built/manifests/" + each.asText()));
      JsonNode layers = image.path("layers");
      byte[] made =
          registry.get("/v2/built/blobs/" + image.path("config").path("digest").asText()).body();
      if (each.asText().equals("index.spack")) {
        continue;
      }
      JsonNode config = RegistryUnderTest.JSON.readTree(made);
      JsonNode contents = config.path("rootfs").path("diff_ids");
      assertEquals(layers.size(), contents.size());
      for (int i = 0; i < layers.size(); i++) {
        byte[] layer =
            registry.get("/v2/built/blobs/" + layers.path(i).path("digest").asText()).body();
        assertEquals(
            "sha256:" + Digest.of(SpackFixture.gunzip(layer)).hex(), contents.path(i).asText());
      }
      SpecDocument document = SpecDocument.parse(made);
      var root = document.node(document.roots().getFirst());
      assertTrue(each.asText().contains(root.hash().text()));
      assertArrayEquals(
          SpackFixture.blob(registry.mirror.find("built", root.hash()).orElseThrow().archive()),
          registry
              .get("/v2/built/blobs/" + layers.path(layers.size() - 1).path("digest").asText())
              .body());
    }
    HttpResponse<byte[]> byTag = registry.get("/v2/built/manifests/" + tag);
    String digest = byTag.headers().firstValue("docker-content-digest").orElseThrow();
    assertArrayEquals(byTag.body(), registry.get("/v2/built/manifests/" + digest).body());
  }

  @Test
  void whatOtherInstancesHaveIsNotThere() throws Exception {
    push("review", tag);
    String blob = "sha256:" + core.archive().hex();
    assertTrue(registry.blobs.contains(Scope.farm("closed"), core.archive()));
    assertEquals("404 BLOB_UNKNOWN", code(registry.get("/v2/closed/blobs/" + blob)));
    assertEquals("404 MANIFEST_UNKNOWN", code(registry.get("/v2/closed/manifests/" + tag)));
  }
}
