package build.thresher.cas.oci;

import static build.thresher.cas.oci.RegistryUnderTest.code;
import static build.thresher.cas.oci.RegistryUnderTest.json;
import static build.thresher.cas.oci.RegistryUnderTest.manifest;
import static build.thresher.cas.oci.RegistryUnderTest.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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

/** The OCI Distribution Specification, request by request. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class OciHandlerTest {
  private static final byte[] NOTHING = new byte[0];
  private static final byte[] CONFIG = bytes("{\"architecture\":\"amd64\",\"os\":\"linux\"}");

  private RegistryUnderTest registry;

  @BeforeAll
  void start(@TempDir Path dir) throws Exception {
    registry = new RegistryUnderTest(dir);
  }

  @AfterAll
  void stop() throws Exception {
    registry.close();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String digest(byte[] blob) {
    return "sha256:" + Digest.of(blob).hex();
  }

  private static String header(HttpResponse<?> response, String name) {
    return response.headers().firstValue(name).orElse("");
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
  void anImageThatWasPushedIsReadByTagAndByDigest() throws Exception {
    byte[] layer = bytes("layer of one");
    registry.push("review/app", CONFIG);
    registry.push("review/app", layer);
    byte[] image = manifest(CONFIG, layer);
    HttpResponse<byte[]> put = registry.putManifest("review/app", "v1", image);
    assertEquals(201, put.statusCode(), text(put));
    assertEquals(digest(image), header(put, "docker-content-digest"));
    for (String reference : List.of("v1", digest(image))) {
      String path = "/v2/review/app/manifests/" + reference;
      HttpResponse<byte[]> got = registry.anonymously("GET", path, NOTHING);
      assertArrayEquals(image, got.body());
      assertEquals(RegistryUnderTest.OCI_IMAGE, header(got, "content-type"));
      HttpResponse<byte[]> head = registry.anonymously("HEAD", path, NOTHING);
      assertEquals(Integer.toString(image.length), header(head, "content-length"));
      assertEquals(digest(image), header(head, "docker-content-digest"));
    }
    String blob = "/v2/review/app/blobs/" + digest(layer);
    assertArrayEquals(layer, registry.get(blob).body());
    HttpResponse<byte[]> part = registry.send("GET", blob, NOTHING, "Range", "bytes=6-7");
    assertEquals(206, part.statusCode());
    assertEquals("of", text(part));
    assertEquals(416, registry.send("GET", blob, NOTHING, "Range", "bytes=100-200").statusCode());
    assertEquals(
        "404 BLOB_UNKNOWN",
        code(registry.asReader("GET", blob.replace("review", "closed"), NOTHING)));
    assertEquals("405 UNSUPPORTED", code(registry.send("DELETE", blob, NOTHING)));
    assertEquals(
        "405 UNSUPPORTED", code(registry.send("DELETE", "/v2/review/app/manifests/v1", NOTHING)));
  }

  @Test
  void aBlobComesInChunksAndGoesOnWhereItBroke() throws Exception {
    byte[] blob = bytes("0123456789");
    HttpResponse<byte[]> begun = registry.send("POST", "/v2/review/blobs/uploads/", NOTHING);
    assertEquals(202, begun.statusCode());
    String upload = header(begun, "location");
    HttpResponse<byte[]> first =
        registry.send("PATCH", upload, Arrays.copyOf(blob, 4), "Content-Range", "0-3");
    assertEquals(202, first.statusCode(), text(first));
    assertEquals("0-3", header(first, "range"));
    assertEquals(
        "416 BLOB_UPLOAD_INVALID",
        code(registry.send("PATCH", upload, bytes("67"), "Content-Range", "6-7")));
    assertEquals(
        "400 SIZE_INVALID",
        code(registry.send("PATCH", upload, bytes("45"), "Content-Range", "4-9")));
    HttpResponse<byte[]> status = registry.get(upload);
    assertEquals(204, status.statusCode());
    assertEquals("0-3", header(status, "range"));
    registry.send("PATCH", upload, bytes("45"), "Content-Range", "4-5");
    assertEquals(
        "400 DIGEST_INVALID", code(registry.send("PUT", upload + "?digest=md5:0", NOTHING)));
    HttpResponse<byte[]> done =
        registry.send("PUT", upload + "?digest=" + digest(blob), bytes("6789"));
    assertEquals(201, done.statusCode(), text(done));
    assertArrayEquals(blob, registry.get(header(done, "location")).body());
    assertEquals("404 BLOB_UPLOAD_UNKNOWN", code(registry.get(upload)));
  }

  @Test
  void aBlobComesInOneRequestOrFromAnotherRepository() throws Exception {
    byte[] blob = bytes("one request");
    String uploads = "/v2/review/blobs/uploads/";
    assertEquals(
        201, registry.send("POST", uploads + "?digest=" + digest(blob), blob).statusCode());
    String mount = "/v2/closed/blobs/uploads/?mount=" + digest(blob) + "&from=";
    assertEquals(202, registry.send("POST", mount + "release", NOTHING).statusCode());
    assertEquals(201, registry.send("POST", mount + "review", NOTHING).statusCode());
    assertArrayEquals(blob, registry.get("/v2/closed/blobs/" + digest(blob)).body());
  }

  @Test
  void anUploadThatIsCancelledOrHasOtherBytesLeavesNothing() throws Exception {
    byte[] blob = bytes("never whole");
    String upload = header(registry.send("POST", "/v2/review/blobs/uploads/", NOTHING), "location");
    assertEquals(
        "400 DIGEST_INVALID",
        code(registry.send("PUT", upload + "?digest=" + digest(blob), bytes("other bytes"))));
    assertEquals(204, registry.send("DELETE", upload, NOTHING).statusCode());
    assertEquals("404 BLOB_UPLOAD_UNKNOWN", code(registry.send("PATCH", upload, blob)));
    assertEquals(
        404, registry.send("HEAD", "/v2/review/blobs/" + digest(blob), NOTHING).statusCode());
    String other = header(registry.send("POST", "/v2/review/blobs/uploads/", NOTHING), "location");
    assertEquals(
        "404 BLOB_UPLOAD_UNKNOWN",
        code(registry.anonymously("PATCH", other.replace("/review/", "/closed/"), blob)));
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
  void tagsComeInPages() throws Exception {
    registry.push("closed/many", CONFIG);
    for (String tag : List.of("b", "a", "c")) {
      registry.putManifest("closed/many", tag, manifest(CONFIG));
    }
    String path = "/v2/closed/many/tags/list?n=2";
    List<String> all = new ArrayList<>();
    int pages = 0;
    while (!path.isEmpty()) {
      HttpResponse<byte[]> page = registry.get(path);
      JsonNode list = json(page);
      assertEquals("closed/many", list.path("name").asText());
      list.path("tags").forEach(tag -> all.add(tag.asText()));
      String link = header(page, "link");
      path = link.isEmpty() ? "" : link.substring(1, link.indexOf('>'));
      pages++;
    }
    assertEquals(List.of("a", "b", "c"), all);
    assertEquals(2, pages);
    assertEquals(0, json(registry.get("/v2/closed/many/tags/list?n=0")).path("tags").size());
    assertEquals(400, registry.get("/v2/closed/many/tags/list?n=x").statusCode());
  }

  @Test
  void whatIsAboutAnImageIsFoundFromIt() throws Exception {
    registry.push("closed/signed", CONFIG);
    byte[] image = manifest(CONFIG);
    registry.putManifest("closed/signed", "v1", image);
    ObjectNode about = (ObjectNode) RegistryUnderTest.JSON.readTree(image);
    about.put("artifactType", "application/x.signature");
    about
        .putObject("subject")
        .put("mediaType", RegistryUnderTest.OCI_IMAGE)
        .put("digest", digest(image))
        .put("size", image.length);
    byte[] referrer = RegistryUnderTest.JSON.writeValueAsBytes(about);
    HttpResponse<byte[]> put = registry.putManifest("closed/signed", digest(referrer), referrer);
    assertEquals(digest(image), header(put, "oci-subject"), text(put));
    JsonNode found = json(registry.get("/v2/closed/signed/referrers/" + digest(image)));
    assertEquals(digest(referrer), found.path("manifests").path(0).path("digest").asText());
    assertEquals(
        "application/x.signature", found.path("manifests").path(0).path("artifactType").asText());
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
