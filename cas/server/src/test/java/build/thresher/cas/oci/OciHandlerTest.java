package build.thresher.cas.oci;

import static build.thresher.cas.oci.RegistryUnderTest.CONFIG;
import static build.thresher.cas.oci.RegistryUnderTest.NOTHING;
import static build.thresher.cas.oci.RegistryUnderTest.bytes;
import static build.thresher.cas.oci.RegistryUnderTest.code;
import static build.thresher.cas.oci.RegistryUnderTest.digest;
import static build.thresher.cas.oci.RegistryUnderTest.header;
import static build.thresher.cas.oci.RegistryUnderTest.json;
import static build.thresher.cas.oci.RegistryUnderTest.manifest;
import static build.thresher.cas.oci.RegistryUnderTest.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the farm's registry has beyond the rules of the specification: who may what, and what is
 * refused.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class OciHandlerTest {

  private RegistryUnderTest registry;

  @BeforeAll
  void start(@TempDir Path dir) throws Exception {
    registry = new RegistryUnderTest(dir);
  }

  @AfterAll
  void stop() throws Exception {
    registry.close();
  }

  @Test
  void aClientLearnsHowToAuthenticate() throws Exception {
    HttpResponse<byte[]> open = registry.anonymously("GET", "/v2/", NOTHING);
    assertEquals(200, open.statusCode());
    assertEquals("Basic realm=\"thresher\"", header(open, "www-authenticate"));
    String uploads = "/v2/review/blobs/uploads/";
    HttpResponse<byte[]> unknown = registry.anonymously("POST", uploads, NOTHING);
    assertEquals("401 UNAUTHORIZED", code(unknown));
    assertEquals("Basic realm=\"thresher\"", header(unknown, "www-authenticate"));
    assertEquals("403 DENIED", code(registry.asReader("POST", uploads, NOTHING)));
    String closed = "/v2/closed/tags/list";
    assertEquals("401 UNAUTHORIZED", code(registry.anonymously("GET", closed, NOTHING)));
    assertEquals(200, registry.asReader("GET", closed, NOTHING).statusCode());
    assertEquals("404 NAME_UNKNOWN", code(registry.get("/v2/nowhere/tags/list")));
  }

  @Test
  void onlyInstancesThatTakeUnsignedSpecsCanBePushedTo() throws Exception {
    for (String instance : List.of("built", "release")) {
      String uploads = "/v2/" + instance + "/blobs/uploads/";
      assertEquals("403 DENIED", code(registry.send("POST", uploads, NOTHING)));
      byte[] image = manifest(CONFIG);
      assertEquals("403 DENIED", code(registry.putManifest(instance, "latest", image)));
    }
  }

  @Test
  void whatOneInstanceHasIsNotInAnotherAndAnUploadStaysInItsRepository() throws Exception {
    byte[] blob = bytes("of one instance");
    registry.push("review", blob);
    assertEquals(
        "404 BLOB_UNKNOWN",
        code(registry.asReader("GET", "/v2/closed/blobs/" + digest(blob), NOTHING)));
    String upload = header(registry.send("POST", "/v2/review/blobs/uploads/", NOTHING), "location");
    assertEquals(
        "404 BLOB_UPLOAD_UNKNOWN",
        code(registry.anonymously("PATCH", upload.replace("/review/", "/closed/"), blob)));
  }

  @Test
  void manifestsThatAreNotWholeAreRefusedAndNothingIsVisible() throws Exception {
    registry.push("review", CONFIG);
    byte[] missing = bytes("not there");
    byte[] good = manifest(CONFIG);
    String text = new String(good, StandardCharsets.UTF_8);
    assertEquals(
        "400 MANIFEST_BLOB_UNKNOWN",
        code(registry.putManifest("review", "bad", manifest(CONFIG, missing))));
    for (String broken :
        List.of(
            "{",
            "[]",
            "null",
            text.replace("\"schemaVersion\":2", "\"schemaVersion\":1"),
            text.replace("\"size\":", "\"size\":1"),
            text.replace("\"size\":", "\"sise\":"),
            text.replace("\"layers\":[]", "\"layers\":{}"),
            text.replace("\"layers\":[]", "\"layers\":[],\"layers\":[]"),
            text.replace("\"layers\":[]", "\"layers\":[],\"manifests\":[]"),
            text.replace("image.manifest.v1", "image.index.v1"),
            text + "x")) {
      assertEquals(
          "400 MANIFEST_INVALID",
          code(registry.putManifest("review", "bad", bytes(broken))),
          broken);
    }
    assertEquals("400 DIGEST_INVALID", code(registry.putManifest("review", digest(missing), good)));
    assertEquals(
        "400 DIGEST_INVALID",
        code(registry.putManifest("review", "bad", bytes(text.replace("sha256:", "sha512:")))));
    assertEquals("400 MANIFEST_INVALID", code(registry.putManifest("review", "-bad", good)));
    assertEquals(
        "413 MANIFEST_INVALID",
        code(registry.putManifest("review", "bad", new byte[(4 << 20) + 1])));
    HttpResponse<byte[]> wrongType =
        registry.send(
            "PUT", "/v2/review/manifests/bad", good, "Content-Type", "application/octet-stream");
    assertEquals("400 MANIFEST_INVALID", code(wrongType));
    assertEquals("404 MANIFEST_UNKNOWN", code(registry.get("/v2/review/manifests/bad")));
    assertFalse(text(registry.get("/v2/review/tags/list")).contains("bad"));
  }

  @Test
  void namesThatNoRepositoryHasAreRefused() throws Exception {
    for (String name : List.of("Review", "review/..", "review/%2e%2e/x", "review/a..b")) {
      HttpResponse<byte[]> response = registry.get("/v2/" + name + "/tags/list");
      assertTrue(
          List.of(400, 404).contains(response.statusCode()), name + ": " + response.statusCode());
    }
    assertEquals("404 UNSUPPORTED", code(registry.get("/v2/_catalog")));
    assertEquals("404 UNSUPPORTED", code(registry.get("/v2/review/blobs/sha256:..%2F..%2Fetc")));
    assertEquals("400 DIGEST_INVALID", code(registry.get("/v2/review/blobs/sha256:beef")));
  }

  @Test
  void aTagThatManyPushAtOnceIsAlwaysOneWholeImage() throws Exception {
    registry.push("closed/race", CONFIG);
    List<Future<Integer>> puts = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 16; i++) {
        byte[] layer = bytes("layer " + i);
        puts.add(
            threads.submit(
                () -> {
                  registry.push("closed/race", layer);
                  return registry
                      .putManifest("closed/race", "latest", manifest(CONFIG, layer))
                      .statusCode();
                }));
      }
    }
    for (Future<Integer> put : puts) {
      assertEquals(201, put.get());
    }
    JsonNode latest = json(registry.get("/v2/closed/race/manifests/latest"));
    String layer = latest.path("layers").path(0).path("digest").asText();
    assertEquals(200, registry.get("/v2/closed/race/blobs/" + layer).statusCode());
  }
}
