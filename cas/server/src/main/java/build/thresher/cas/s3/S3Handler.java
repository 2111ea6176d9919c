package build.thresher.cas.s3;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Served;
import com.google.common.io.ByteStreams;
import io.helidon.http.HeaderNames;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code /s3/<instance>/<key>}: what Spack's use of boto3 needs, path-style. GetObject, HeadObject,
 * PutObject, ListObjectsV2 and uploads in parts; nothing can be deleted here. Every request is
 * signed; the secret access key is the farm's token, or a read token of the instance, whatever the
 * access key id.
 *
 * <p>Bodies are streamed; a part of an upload lies in a file until the upload is complete.
 */
public final class S3Handler implements Handler {
  /** Where it is registered. */
  public static final String ROUTE = "/s3/*";

  private static final String PATH = "/s3";

  private static final Logger log = LoggerFactory.getLogger(S3Handler.class);
  private static final Pattern TARGET = Pattern.compile(PATH + "/([^/]+)(?:/(.*))?");
  private static final Pattern PART =
      Pattern.compile("<PartNumber>\\s*(\\d{1,5})\\s*</PartNumber>");
  private static final long MAX_UNREAD_BYTES = 16 << 20;
  private static final int MAX_COMPLETION_BYTES = 4 << 20;
  private static final String XML = "application/xml";

  private final RocksSpackMirror mirror;
  private final PushedSpecs pushed;
  private final BlobStore blobs;
  private final Predicate<String> isInstance;
  private final Supplier<byte[]> secret;
  private final Function<String, ? extends Collection<byte[]>> readSecrets;
  private final MultipartUploads uploads;
  private final InstantSource clock;

  private S3Handler(
      RocksSpackMirror mirror,
      PushedSpecs pushed,
      BlobStore blobs,
      Predicate<String> isInstance,
      Supplier<byte[]> secret,
      Function<String, ? extends Collection<byte[]>> readSecrets,
      MultipartUploads uploads,
      InstantSource clock) {
    this.mirror = mirror;
    this.pushed = pushed;
    this.blobs = blobs;
    this.isInstance = isInstance;
    this.secret = secret;
    this.readSecrets = readSecrets;
    this.uploads = uploads;
    this.clock = clock;
  }

  /**
   * @param directory of its own, for uploads in parts
   * @param reserve what uploads in parts leave free
   * @param secret that requests are signed with
   * @param readSecrets of an instance, with which requests that only read may be signed too
   */
  public static S3Handler open(
      Path directory,
      DiskReserve reserve,
      RocksSpackMirror mirror,
      PushedSpecs pushed,
      BlobStore blobs,
      Predicate<String> isInstance,
      Supplier<byte[]> secret,
      Function<String, ? extends Collection<byte[]>> readSecrets,
      InstantSource clock)
      throws IOException {
    return new S3Handler(
        mirror,
        pushed,
        blobs,
        isInstance,
        secret,
        readSecrets,
        MultipartUploads.in(directory, reserve, clock),
        clock);
  }

  @Override
  public void handle(ServerRequest request, ServerResponse response) {
    try {
      answer(request, response);
    } catch (S3Exception e) {
      refuse(request, response, e);
    } catch (BlobNotFoundException e) {
      refuse(request, response, S3Exception.invalid(String.valueOf(e.getMessage())));
    } catch (StoreUnavailableException e) {
      refuse(
          request,
          response,
          new S3Exception(503, "ServiceUnavailable", String.valueOf(e.getMessage())));
    } catch (IOException | RuntimeException e) {
      log.warn("s3 request failed path={}", request.path().path(), e);
      if (response.isSent() || response.bytesWritten() > 0) {
        throw new IllegalStateException("broken off: the length was promised", e);
      }
      refuse(request, response, new S3Exception(500, "InternalError", "the server's log says why"));
    }
  }

  private void answer(ServerRequest request, ServerResponse response)
      throws IOException, S3Exception {
    Matcher target = TARGET.matcher(request.prologue().uriPath().path());
    String payload = verified(request, target.matches() ? target.group(1) : "");
    if (!target.matches() || !isInstance.test(target.group(1))) {
      throw new S3Exception(404, "NoSuchBucket", "the farm has no such instance");
    }
    String instance = target.group(1);
    String key = target.group(2) == null ? "" : target.group(2);
    Bucket bucket = new Bucket(instance, mirror, pushed, blobs);
    Map<String, String> query = query(request.prologue().query().rawValue());
    Method method = request.prologue().method();
    if (method.equals(Method.HEAD) || method.equals(Method.GET)) {
      read(request, response, bucket, instance, key, query);
    } else if (method.equals(Method.PUT)) {
      put(request, response, bucket, key, query, payload);
    } else if (method.equals(Method.POST)) {
      post(request, response, bucket, instance, key, query, payload);
    } else if (method.equals(Method.DELETE) && query.containsKey("uploadId")) {
      uploads.abort(query.getOrDefault("uploadId", ""));
      response.status(Status.NO_CONTENT_204).send();
    } else {
      throw S3Exception.denied("nothing is deleted here; the farm prunes by its own rules");
    }
  }

  /** Whoever reads may sign with a read token of the instance too. */
  private String verified(ServerRequest request, String instance) throws S3Exception {
    Method method = request.prologue().method();
    List<byte[]> secrets = new ArrayList<>(List.of(secret.get()));
    if (method.equals(Method.GET) || method.equals(Method.HEAD)) {
      secrets.addAll(readSecrets.apply(instance));
    }
    return SignatureV4.verify(
        new SignatureV4.Request(
            method.text(),
            request.prologue().uriPath().rawPath(),
            request.prologue().query().rawValue(),
            name -> header(request, name)),
        secrets,
        clock.instant());
  }

  private static Optional<String> header(ServerRequest request, String name) {
    return request.headers().contains(HeaderNames.create(name))
        ? Optional.of(String.join(",", request.headers().get(HeaderNames.create(name)).allValues()))
        : Optional.empty();
  }

  private static Map<String, String> query(String raw) {
    Map<String, String> query = new HashMap<>();
    for (String pair : raw.split("&", -1)) {
      int equals = pair.indexOf('=');
      String name = equals < 0 ? pair : pair.substring(0, equals);
      String value = equals < 0 ? "" : pair.substring(equals + 1);
      query.put(decoded(name), decoded(value));
    }
    return query;
  }

  private static String decoded(String text) {
    return URLDecoder.decode(text, StandardCharsets.UTF_8);
  }

  private static void read(
      ServerRequest request,
      ServerResponse response,
      Bucket bucket,
      String instance,
      String key,
      Map<String, String> query)
      throws IOException, S3Exception {
    boolean head = request.prologue().method().equals(Method.HEAD);
    if (key.isEmpty()) {
      String xml = head ? "" : Listing.of(query).xml(instance, bucket.keys());
      response.header(HeaderNames.CONTENT_TYPE, XML).send(xml);
      return;
    }
    Served served = bucket.get(key).orElseThrow(() -> S3Exception.noSuchKey(key));
    response.header(HeaderNames.ETAG, "\"" + served.digest().hex() + "\"");
    response.header(HeaderNames.CONTENT_TYPE, served.mediaType());
    response.header(HeaderNames.LAST_MODIFIED, "Thu, 01 Jan 1970 00:00:00 GMT");
    response.contentLength(served.digest().sizeBytes());
    if (head) {
      response.send();
      return;
    }
    switch (served) {
      case Served.Document document -> response.send(document.bytes());
      case Served.StoredBlob blob -> {
        try (InputStream in = bucket.read(blob.digest());
            OutputStream out = response.outputStream()) {
          in.transferTo(out);
        }
      }
    }
  }

  private void put(
      ServerRequest request,
      ServerResponse response,
      Bucket bucket,
      String key,
      Map<String, String> query,
      String payload)
      throws IOException, S3Exception {
    Body body = Body.of(request, payload);
    try (InputStream in = body.stream()) {
      if (query.containsKey("uploadId")) {
        int number = number(query.getOrDefault("partNumber", ""));
        uploads.part(query.getOrDefault("uploadId", ""), key, number, in);
      } else {
        bucket.put(key, in, body.length());
      }
      ByteStreams.exhaust(in);
    }
    response.header(HeaderNames.ETAG, "\"" + payload.replaceAll("[^0-9a-f]", "0") + "\"").send();
  }

  private static int number(String text) throws S3Exception {
    if (!text.matches("\\d{1,5}")) {
      throw S3Exception.invalid("the part number is 1 to " + MultipartUploads.MAX_PARTS);
    }
    return Integer.parseInt(text);
  }

  private void post(
      ServerRequest request,
      ServerResponse response,
      Bucket bucket,
      String instance,
      String key,
      Map<String, String> query,
      String payload)
      throws IOException, S3Exception {
    if (query.containsKey("uploads")) {
      String id = uploads.begin(key);
      xml(
          response,
          Xml.document(
              "InitiateMultipartUploadResult",
              xml -> {
                xml.element("Bucket", instance);
                xml.element("Key", key);
                xml.element("UploadId", id);
              }));
      return;
    }
    if (!query.containsKey("uploadId")) {
      throw S3Exception.denied("nothing is deleted here; the farm prunes by its own rules");
    }
    String id = query.getOrDefault("uploadId", "");
    byte[] completion;
    try (InputStream in = Body.of(request, payload).stream()) {
      completion = in.readNBytes(MAX_COMPLETION_BYTES);
    }
    List<Integer> parts = parts(new String(completion, StandardCharsets.UTF_8));
    long length = uploads.size(id, key, parts);
    try (InputStream whole = uploads.whole(id, key, parts)) {
      bucket.put(key, whole, length);
    }
    uploads.abort(id);
    xml(
        response,
        Xml.document(
            "CompleteMultipartUploadResult",
            xml -> {
              xml.element("Bucket", instance);
              xml.element("Key", key);
              xml.element("ETag", "\"" + id + "\"");
            }));
  }

  private static List<Integer> parts(String completion) throws S3Exception {
    List<Integer> parts = new ArrayList<>();
    Matcher part = PART.matcher(completion);
    while (part.find()) {
      int number = Integer.parseInt(part.group(1));
      if (!parts.isEmpty() && number <= parts.getLast()) {
        throw new S3Exception(400, "InvalidPartOrder", "the parts are not in ascending order");
      }
      parts.add(number);
    }
    if (parts.isEmpty()) {
      throw new S3Exception(400, "MalformedXML", "no part is named");
    }
    return parts;
  }

  private static void xml(ServerResponse response, String document) {
    response.header(HeaderNames.CONTENT_TYPE, XML).send(document);
  }

  /**
   * The rest of a refused body is read by the server where it is small, so that the client comes to
   * read the answer; the connection ends instead where it is large.
   */
  private static void refuse(ServerRequest request, ServerResponse response, S3Exception e) {
    response.status(Status.create(e.status()));
    if (request.headers().contentLength().orElse(Long.MAX_VALUE) > MAX_UNREAD_BYTES) {
      response.header(HeaderNames.CONNECTION, "close");
    }
    if (request.prologue().method().equals(Method.HEAD)) {
      response.send();
    } else {
      xml(response, Xml.error(e));
    }
  }
}
