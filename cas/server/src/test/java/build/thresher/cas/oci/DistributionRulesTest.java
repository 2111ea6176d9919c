package build.thresher.cas.oci;

import static build.thresher.cas.oci.RegistryUnderTest.CONFIG;
import static build.thresher.cas.oci.RegistryUnderTest.NOTHING;
import static build.thresher.cas.oci.RegistryUnderTest.OCI_IMAGE;
import static build.thresher.cas.oci.RegistryUnderTest.bytes;
import static build.thresher.cas.oci.RegistryUnderTest.code;
import static build.thresher.cas.oci.RegistryUnderTest.digest;
import static build.thresher.cas.oci.RegistryUnderTest.header;
import static build.thresher.cas.oci.RegistryUnderTest.json;
import static build.thresher.cas.oci.RegistryUnderTest.manifest;
import static build.thresher.cas.oci.RegistryUnderTest.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/**
 * The rules of the OCI Distribution Specification 1.1, each with its place there: an endpoint's
 * number in its table, or the name of a section.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class DistributionRulesTest {
  private static final byte[] LAYER = bytes("layer of one");
  private static final byte[] IMAGE = manifest(CONFIG, LAYER);
  private static final byte[] ABSENT = bytes("nobody brought this");
  private static final String REPOSITORY = "/v2/review/app";
  private static final String UPLOADS = REPOSITORY + "/blobs/uploads/";

  private RegistryUnderTest registry;

  @BeforeAll
  void start(@TempDir Path dir) throws Exception {
    registry = new RegistryUnderTest(dir);
    registry.push("review/app", CONFIG);
    registry.push("review/app", LAYER);
    HttpResponse<byte[]> put = registry.putManifest("review/app", "v1", IMAGE);
    assertEquals(201, put.statusCode(), text(put));
  }

  @AfterAll
  void stop() throws Exception {
    registry.close();
  }

  private static DynamicTest rule(String place, String says, Executable shown) {
    return dynamicTest(place + ": " + says, shown);
  }

  @TestFactory
  Stream<DynamicTest> pull() {
    String byTag = REPOSITORY + "/manifests/v1";
    String byDigest = REPOSITORY + "/manifests/" + digest(IMAGE);
    String blob = REPOSITORY + "/blobs/" + digest(LAYER);
    return Stream.of(
        rule(
            "end-1",
            "GET /v2/ answers 200",
            () -> assertEquals(200, registry.get("/v2/").statusCode())),
        rule(
            "end-3",
            "a manifest is got by tag and by digest, byte for byte, as the type it was pushed as",
            () -> {
              for (String path : List.of(byTag, byDigest)) {
                HttpResponse<byte[]> got = registry.get(path);
                assertEquals(200, got.statusCode());
                assertArrayEquals(IMAGE, got.body());
                assertEquals(OCI_IMAGE, header(got, "content-type"));
                assertEquals(digest(IMAGE), header(got, "docker-content-digest"));
              }
            }),
        rule(
            "end-2",
            "a blob is got by digest, which the answer says",
            () -> {
              HttpResponse<byte[]> got = registry.get(blob);
              assertEquals(200, got.statusCode());
              assertArrayEquals(LAYER, got.body());
              assertEquals(digest(LAYER), header(got, "docker-content-digest"));
            }),
        rule(
            "end-2",
            "part of a blob is got by Range",
            () -> {
              HttpResponse<byte[]> part = registry.send("GET", blob, NOTHING, "Range", "bytes=6-7");
              assertEquals(206, part.statusCode());
              assertEquals("of", text(part));
              assertEquals(
                  416, registry.send("GET", blob, NOTHING, "Range", "bytes=99-").statusCode());
            }),
        rule(
            "end-2, end-3",
            "HEAD answers 200 with digest and size",
            () -> {
              for (String path : List.of(byTag, byDigest, blob)) {
                byte[] what = path.equals(blob) ? LAYER : IMAGE;
                HttpResponse<byte[]> head = registry.send("HEAD", path, NOTHING);
                assertEquals(200, head.statusCode());
                assertEquals(digest(what), header(head, "docker-content-digest"));
                assertEquals(Integer.toString(what.length), header(head, "content-length"));
              }
            }),
        rule(
            "end-2, end-3",
            "what is not in the repository is 404, by GET and by HEAD",
            () -> {
              String gone = REPOSITORY + "/blobs/" + digest(ABSENT);
              assertEquals("404 BLOB_UNKNOWN", code(registry.get(gone)));
              assertEquals(404, registry.send("HEAD", gone, NOTHING).statusCode());
              for (String name : List.of("v2", digest(ABSENT))) {
                String path = REPOSITORY + "/manifests/" + name;
                assertEquals("404 MANIFEST_UNKNOWN", code(registry.get(path)));
                assertEquals(404, registry.send("HEAD", path, NOTHING).statusCode());
              }
            }),
        rule(
            "error codes",
            "a JSON body has errors, each with a code of capital letters and a message",
            () -> {
              HttpResponse<byte[]> refused = registry.get(REPOSITORY + "/manifests/v2");
              assertTrue(header(refused, "content-type").startsWith("application/json"));
              JsonNode error = json(refused).path("errors").path(0);
              assertTrue(Pattern.matches("[A-Z_]+", error.path("code").asText()));
              assertFalse(error.path("message").asText().isEmpty());
            }));
  }

  @TestFactory
  Stream<DynamicTest> pushBlobs() {
    return Stream.of(
        rule(
            "end-4a, end-6",
            "POST answers 202 with where to PUT; PUT answers 201 with where to GET",
            () -> {
              byte[] blob = bytes("post, then put");
              String upload = begin();
              HttpResponse<byte[]> put = close(upload, blob, blob);
              assertEquals(201, put.statusCode(), text(put));
              assertArrayEquals(blob, registry.get(header(put, "location")).body());
            }),
        rule(
            "end-4b",
            "a blob comes in one POST, which answers 201 with where to GET",
            () -> {
              byte[] blob = bytes("one request");
              HttpResponse<byte[]> put =
                  registry.send("POST", UPLOADS + "?digest=" + digest(blob), blob);
              assertEquals(201, put.statusCode(), text(put));
              assertArrayEquals(blob, registry.get(header(put, "location")).body());
            }),
        rule(
            "end-4b, end-6",
            "other bytes than the digest's, and a digest that is none, are 400 DIGEST_INVALID",
            () -> {
              for (String bad : List.of(digest(ABSENT), "md5:0", "sha256:xyz", "")) {
                assertEquals(
                    "400 DIGEST_INVALID",
                    code(registry.send("POST", UPLOADS + "?digest=" + bad, bytes("other"))));
                assertEquals(
                    "400 DIGEST_INVALID",
                    code(registry.send("PUT", begin() + "?digest=" + bad, bytes("other"))));
              }
              String gone = REPOSITORY + "/blobs/" + digest(ABSENT);
              assertEquals(404, registry.send("HEAD", gone, NOTHING).statusCode());
            }),
        rule(
            "end-5",
            "each chunk is answered 202 with where the next goes and what is there",
            () -> {
              byte[] blob = bytes("0123456789");
              HttpResponse<byte[]> first = chunk(begin(), Arrays.copyOf(blob, 4), "0-3");
              assertEquals(202, first.statusCode(), text(first));
              assertEquals("0-3", header(first, "range"));
              HttpResponse<byte[]> second = chunk(header(first, "location"), bytes("45"), "4-5");
              assertEquals("0-5", header(second, "range"));
              HttpResponse<byte[]> done =
                  close(header(second, "location"), bytes("6789"), blob); // the last one with PUT
              assertEquals(201, done.statusCode(), text(done));
              assertArrayEquals(blob, registry.get(header(done, "location")).body());
            }),
        rule(
            "end-5, end-6",
            "a chunk out of order is 416, and the upload goes on where it was",
            () -> {
              String upload = begin();
              assertEquals("416 BLOB_UPLOAD_INVALID", code(chunk(upload, bytes("67"), "6-7")));
              chunk(upload, bytes("0123"), "0-3");
              assertEquals("416 BLOB_UPLOAD_INVALID", code(chunk(upload, bytes("67"), "6-7")));
              assertEquals("416 BLOB_UPLOAD_INVALID", code(chunk(upload, bytes("01"), "0-1")));
              assertEquals("400 SIZE_INVALID", code(chunk(upload, bytes("45"), "4-9")));
              byte[] whole = bytes("0123ab");
              HttpResponse<byte[]> early =
                  registry.send(
                      "PUT",
                      upload + "?digest=" + digest(whole),
                      bytes("ab"),
                      "Content-Range",
                      "9-10");
              assertEquals("416 BLOB_UPLOAD_INVALID", code(early));
              assertEquals(201, close(upload, bytes("ab"), whole).statusCode());
            }),
        rule(
            "end-5",
            "a stream without Content-Range is one chunk",
            () -> {
              String upload = begin();
              HttpResponse<byte[]> sent = registry.send("PATCH", upload, bytes("a stream"));
              assertEquals("0-7", header(sent, "range"), text(sent));
              assertEquals(201, close(upload, NOTHING, bytes("a stream")).statusCode());
            }),
        rule(
            "end-13",
            "GET of an upload says 204, where it goes on and what is there; 404 once it is closed",
            () -> {
              String upload = begin();
              chunk(upload, bytes("0123"), "0-3");
              HttpResponse<byte[]> status = registry.get(upload);
              assertEquals(204, status.statusCode());
              assertEquals("0-3", header(status, "range"));
              assertEquals(upload, header(status, "location"));
              close(upload, NOTHING, bytes("0123"));
              assertEquals("404 BLOB_UPLOAD_UNKNOWN", code(registry.get(upload)));
            }),
        rule(
            "cancel a blob upload",
            "DELETE of an upload answers 204, and nothing is left",
            () -> {
              String upload = begin();
              chunk(upload, bytes("0123"), "0-3");
              assertEquals(204, registry.send("DELETE", upload, NOTHING).statusCode());
              assertEquals("404 BLOB_UPLOAD_UNKNOWN", code(chunk(upload, bytes("45"), "4-5")));
            }),
        rule(
            "end-11",
            "a blob of another repository is mounted with 201; else an upload begins with 202",
            () -> {
              String mount = "/v2/closed/blobs/uploads/?mount=" + digest(LAYER);
              HttpResponse<byte[]> none = registry.send("POST", mount + "&from=release", NOTHING);
              assertEquals(202, none.statusCode());
              assertFalse(header(none, "location").isEmpty());
              HttpResponse<byte[]> unsaid = registry.send("POST", mount, NOTHING);
              assertEquals(202, unsaid.statusCode());
              HttpResponse<byte[]> from =
                  registry.send("POST", mount + "&from=review/app", NOTHING);
              assertEquals(201, from.statusCode(), text(from));
              assertArrayEquals(LAYER, registry.get(header(from, "location")).body());
            }),
        rule(
            "end-10",
            "where blobs are not deleted, DELETE is 405",
            () ->
                assertEquals(
                    "405 UNSUPPORTED",
                    code(
                        registry.send(
                            "DELETE", REPOSITORY + "/blobs/" + digest(LAYER), NOTHING)))));
  }

  private String begin() throws Exception {
    HttpResponse<byte[]> begun = registry.send("POST", UPLOADS, NOTHING);
    assertEquals(202, begun.statusCode(), text(begun));
    return header(begun, "location");
  }

  private HttpResponse<byte[]> chunk(String upload, byte[] bytes, String range) throws Exception {
    return registry.send("PATCH", upload, bytes, "Content-Range", range);
  }

  private HttpResponse<byte[]> close(String upload, byte[] last, byte[] whole) throws Exception {
    return registry.send("PUT", upload + "?digest=" + digest(whole), last);
  }

  @TestFactory
  Stream<DynamicTest> pushManifests() {
    return Stream.of(
        rule(
            "end-7",
            "PUT by tag or digest answers 201 with where to GET; parameters of the type are ignored",
            () -> {
              for (String reference : List.of("v3", digest(IMAGE))) {
                HttpResponse<byte[]> put =
                    registry.send(
                        "PUT",
                        REPOSITORY + "/manifests/" + reference,
                        IMAGE,
                        "Content-Type",
                        OCI_IMAGE + "; charset=utf-8");
                assertEquals(201, put.statusCode(), text(put));
                assertEquals(digest(IMAGE), header(put, "docker-content-digest"));
                assertArrayEquals(IMAGE, registry.get(header(put, "location")).body());
              }
            }),
        rule(
            "end-7",
            "an image may have no layers",
            () ->
                assertEquals(
                    201,
                    registry.putManifest("review/app", "empty", manifest(CONFIG)).statusCode())),
        rule(
            "push",
            "a manifest that names what is not here is refused with MANIFEST_BLOB_UNKNOWN",
            () ->
                assertEquals(
                    "400 MANIFEST_BLOB_UNKNOWN",
                    code(registry.putManifest("review/app", "bad", manifest(CONFIG, ABSENT))))),
        rule(
            "push",
            "a layer that may not be distributed lies elsewhere",
            () -> {
              String foreign =
                  new String(manifest(CONFIG, ABSENT), StandardCharsets.UTF_8)
                      .replace("image.layer.v1", "image.layer.nondistributable.v1");
              HttpResponse<byte[]> put =
                  registry.putManifest("review/app", "foreign", bytes(foreign));
              assertEquals(201, put.statusCode(), text(put));
            }),
        rule(
            "end-7",
            "4 MiB are taken, more is 413",
            () -> {
              byte[] large = Arrays.copyOf(IMAGE, 4 << 20);
              Arrays.fill(large, IMAGE.length, large.length, (byte) ' ');
              HttpResponse<byte[]> put = registry.putManifest("review/app", "large", large);
              assertEquals(201, put.statusCode(), text(put));
              byte[] larger = Arrays.copyOf(large, large.length + 1);
              assertEquals(
                  "413 MANIFEST_INVALID", code(registry.putManifest("review/app", "l", larger)));
            }),
        rule(
            "end-9",
            "where tags and manifests are not deleted, DELETE is 405",
            () -> {
              for (String reference : List.of("v1", digest(IMAGE))) {
                assertEquals(
                    "405 UNSUPPORTED",
                    code(registry.send("DELETE", REPOSITORY + "/manifests/" + reference, NOTHING)));
              }
            }));
  }

  @TestFactory
  Stream<DynamicTest> tags() throws Exception {
    registry.push("closed/many", CONFIG);
    for (String tag : List.of("b", "C", "a", "d", "_")) {
      registry.putManifest("closed/many", tag, manifest(CONFIG));
    }
    String list = "/v2/closed/many/tags/list";
    return Stream.of(
        rule(
            "end-8a",
            "all tags come, in the order of ASCII",
            () -> {
              JsonNode all = json(registry.get(list));
              assertEquals("closed/many", all.path("name").asText());
              assertEquals(List.of("C", "_", "a", "b", "d"), tagsOf(all));
            }),
        rule(
            "end-8b",
            "n tags come, and Link leads to the rest; the last page has none",
            () -> {
              List<String> all = new ArrayList<>();
              int pages = 0;
              for (String path = list + "?n=2"; !path.isEmpty(); pages++) {
                HttpResponse<byte[]> page = registry.get(path);
                all.addAll(tagsOf(json(page)));
                String link = header(page, "link");
                assertTrue(link.isEmpty() || link.endsWith(">; rel=\"next\""), link);
                path = link.isEmpty() ? "" : link.substring(1, link.indexOf('>'));
              }
              assertEquals(List.of("C", "_", "a", "b", "d"), all);
              assertEquals(3, pages);
            }),
        rule(
            "end-8b",
            "last is not among them, is any tag, and needs no n",
            () -> {
              assertEquals(List.of("b", "d"), tagsOf(json(registry.get(list + "?last=a"))));
              assertEquals(List.of("b"), tagsOf(json(registry.get(list + "?n=1&last=aaa"))));
            }),
        rule(
            "end-8b",
            "n=0 gives none and no Link",
            () -> {
              HttpResponse<byte[]> none = registry.get(list + "?n=0");
              assertEquals(List.of(), tagsOf(json(none)));
              assertEquals("", header(none, "link"));
              assertEquals(400, registry.get(list + "?n=x").statusCode());
            }),
        rule(
            "pushing manifests",
            "a repository that is not there is 404",
            () -> assertEquals("404 NAME_UNKNOWN", code(registry.get("/v2/nowhere/x/tags/list")))));
  }

  private static List<String> tagsOf(JsonNode page) {
    List<String> tags = new ArrayList<>();
    page.path("tags").forEach(tag -> tags.add(tag.asText()));
    return tags;
  }

  @TestFactory
  Stream<DynamicTest> referrers() throws Exception {
    String repository = "closed/about";
    registry.push(repository, CONFIG);
    byte[] subject = bytes("{\"of\":\"a manifest that comes later\"}");
    byte[] signature = about(subject, "application/x.signature", OCI_IMAGE);
    byte[] untyped = about(subject, "", OCI_IMAGE);
    byte[] index = about(subject, "", ImageManifest.OCI_INDEX);
    List<HttpResponse<byte[]>> puts = new ArrayList<>();
    for (byte[] one : List.of(signature, untyped)) {
      puts.add(registry.putManifest(repository, digest(one), one));
    }
    puts.add(
        registry.send(
            "PUT",
            "/v2/" + repository + "/manifests/" + digest(index),
            index,
            "Content-Type",
            ImageManifest.OCI_INDEX));
    String path = "/v2/" + repository + "/referrers/" + digest(subject);
    return Stream.of(
        rule(
            "pushing manifests with subject",
            "taken before the subject is there, and answered with OCI-Subject",
            () -> {
              for (HttpResponse<byte[]> put : puts) {
                assertEquals(201, put.statusCode(), text(put));
                assertEquals(digest(subject), header(put, "oci-subject"));
              }
            }),
        rule(
            "end-12a",
            "an index of what is about it: type of artifact, else of the config, none for an index",
            () -> {
              HttpResponse<byte[]> got = registry.get(path);
              assertEquals(200, got.statusCode());
              assertEquals(ImageManifest.OCI_INDEX, header(got, "content-type"));
              assertEquals("application/x.signature", typeIn(got, signature));
              assertEquals("application/vnd.oci.image.config.v1+json", typeIn(got, untyped));
              assertEquals("", typeIn(got, index));
              assertEquals(3, json(got).path("manifests").size());
              assertEquals(
                  "v", json(got).path("manifests").path(0).path("annotations").path("k").asText());
            }),
        rule(
            "end-12b",
            "artifactType filters, and OCI-Filters-Applied says so",
            () -> {
              HttpResponse<byte[]> got =
                  registry.get(path + "?artifactType=application%2Fx.signature");
              assertEquals("artifactType", header(got, "oci-filters-applied"));
              assertEquals(1, json(got).path("manifests").size());
              assertEquals("application/x.signature", typeIn(got, signature));
            }),
        rule(
            "end-12a",
            "nothing about it is an empty list, never 404; a digest that is none is 400",
            () -> {
              HttpResponse<byte[]> none =
                  registry.get("/v2/" + repository + "/referrers/" + digest(ABSENT));
              assertEquals(200, none.statusCode());
              assertTrue(json(none).path("manifests").isArray());
              assertEquals(0, json(none).path("manifests").size());
              assertEquals(
                  "400 DIGEST_INVALID", code(registry.get("/v2/closed/about/referrers/sha256:0")));
            }));
  }

  private static byte[] about(byte[] subject, String artifactType, String mediaType)
      throws Exception {
    boolean isImage = mediaType.equals(OCI_IMAGE);
    ObjectNode manifest =
        isImage
            ? (ObjectNode) RegistryUnderTest.JSON.readTree(manifest(CONFIG))
            : RegistryUnderTest.JSON.createObjectNode().put("schemaVersion", 2);
    manifest.put("mediaType", mediaType).putObject("annotations").put("k", "v");
    if (!isImage) {
      manifest.putArray("manifests");
    }
    if (!artifactType.isEmpty()) {
      manifest.put("artifactType", artifactType);
    }
    manifest
        .putObject("subject")
        .put("mediaType", OCI_IMAGE)
        .put("digest", digest(subject))
        .put("size", subject.length);
    return RegistryUnderTest.JSON.writeValueAsBytes(manifest);
  }

  /** "" where the descriptor of it has none. */
  private static String typeIn(HttpResponse<byte[]> index, byte[] manifest) throws Exception {
    for (JsonNode each : json(index).path("manifests")) {
      if (each.path("digest").asText().equals(digest(manifest))) {
        return each.path("artifactType").asText();
      }
    }
    throw new AssertionError("it is not in " + text(index));
  }
}
