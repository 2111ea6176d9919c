package build.thresher.cas.http;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.Served;
import io.helidon.http.HeaderNames;
import io.helidon.http.Method;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * Answers GET and HEAD with a blob or a document: conditional requests, ranges, lengths.
 *
 * <p>An answer is streamed through one buffer; a client that reads slowly holds that buffer and its
 * virtual thread, nothing more, and a client that stops reading is disconnected. Threading: any
 * thread.
 */
public final class ServedBytes implements AutoCloseable {
  private static final int BUFFER_BYTES = 64 << 10;

  private final BlobStore blobs;
  private final StallGuard guard;

  /**
   * @param stallTimeout a client that takes no byte of its answer for so long is disconnected
   */
  public ServedBytes(BlobStore blobs, Duration stallTimeout) {
    this.blobs = blobs;
    this.guard = new StallGuard(stallTimeout, System::nanoTime);
  }

  /**
   * @throws BlobNotFoundException when the store has lost the blob; nothing was sent
   * @throws IOException also in the middle of an answer whose length was promised: then only a
   *     broken connection tells the client that bytes are missing
   */
  public void send(ServerRequest request, ServerResponse response, Scope scope, Served served)
      throws IOException {
    try (StallGuard.Transfer transfer = guard.begin()) {
      send(request, response, scope, served, transfer);
    }
  }

  private void send(
      ServerRequest request,
      ServerResponse response,
      Scope scope,
      Served served,
      StallGuard.Transfer transfer)
      throws IOException {
    long size = served.digest().sizeBytes();
    String etag = "\"" + served.digest().hex() + "\"";
    response.header(HeaderNames.ETAG, etag);
    response.header(
        HeaderNames.CACHE_CONTROL,
        served.immutable()
            ? (isAnonymous(request) ? "public" : "private") + ", max-age=31536000, immutable"
            : "no-cache");
    if (matches(request, etag)) {
      response.status(Status.NOT_MODIFIED_304).send();
      return;
    }
    response.header(HeaderNames.ACCEPT_RANGES, "bytes");
    response.header(HeaderNames.CONTENT_TYPE, served.mediaType());
    boolean rangeApplies =
        request.headers().first(HeaderNames.IF_RANGE).map(etag::equals).orElse(true);
    ByteRange range =
        request
            .headers()
            .first(HeaderNames.RANGE)
            .filter(r -> rangeApplies)
            .map(r -> ByteRange.parse(r, size))
            .orElse(new ByteRange.Whole());
    switch (range) {
      case ByteRange.Unsatisfiable u -> {
        response.header(HeaderNames.CONTENT_RANGE, "bytes */" + size);
        text(response, Status.REQUESTED_RANGE_NOT_SATISFIABLE_416, "the range is not there");
      }
      case ByteRange.Part part -> {
        response.status(Status.PARTIAL_CONTENT_206);
        response.header(
            HeaderNames.CONTENT_RANGE,
            "bytes %d-%d/%d".formatted(part.offset(), part.offset() + part.length() - 1, size));
        body(request, response, scope, served, part.offset(), part.length(), transfer);
      }
      case ByteRange.Whole w -> body(request, response, scope, served, 0, size, transfer);
    }
  }

  /**
   * Answers GET with what is still on its way here. Its length is not promised and its chunks end
   * only where it does, so that a client knows a part from the whole.
   *
   * @throws IOException in the middle of the answer too, where it did not come to its end
   */
  void follow(ServerResponse response, InputStream in) throws IOException {
    try (StallGuard.Transfer transfer = guard.begin()) {
      response.header(HeaderNames.CACHE_CONTROL, "no-store");
      response.header(HeaderNames.CONTENT_TYPE, "application/octet-stream");
      // Not closed where reading fails: that would be the end of the chunks.
      OutputStream out = response.outputStream();
      byte[] buffer = new byte[BUFFER_BYTES];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        transfer.progress();
        out.write(buffer, 0, n);
        out.flush();
        transfer.progress();
      }
      out.close();
    }
  }

  /** Caches that others share must not keep what this one client may see. */
  private static boolean isAnonymous(ServerRequest request) {
    return !request.headers().contains(HeaderNames.AUTHORIZATION);
  }

  private static boolean matches(ServerRequest request, String etag) {
    String header = request.headers().first(HeaderNames.IF_NONE_MATCH).orElse("");
    if (header.strip().equals("*")) {
      return true;
    }
    for (String each : header.split(",", -1)) {
      String tag = each.strip();
      if (tag.equals(etag) || tag.equals("W/" + etag)) {
        return true;
      }
    }
    return false;
  }

  private void body(
      ServerRequest request,
      ServerResponse response,
      Scope scope,
      Served served,
      long offset,
      long length,
      StallGuard.Transfer transfer)
      throws IOException {
    if (request.prologue().method().equals(Method.HEAD)) {
      if (served instanceof Served.StoredBlob blob && !blobs.contains(scope, blob.digest())) {
        throw new BlobNotFoundException(blob.digest());
      }
      response.contentLength(length);
      response.send();
      return;
    }
    try (InputStream in = open(scope, served, offset, length)) {
      response.contentLength(length);
      try (OutputStream out = response.outputStream()) {
        byte[] buffer = new byte[(int) Math.min(BUFFER_BYTES, length)];
        long left = length;
        while (left > 0) {
          int n = in.read(buffer, 0, (int) Math.min(buffer.length, left));
          if (n < 0) {
            throw new IOException(
                "the blob " + served.digest() + " ended " + left + " bytes early");
          }
          out.write(buffer, 0, n);
          transfer.progress();
          left -= n;
        }
      }
    }
  }

  private InputStream open(Scope scope, Served served, long offset, long length)
      throws IOException {
    return switch (served) {
      case Served.Document document ->
          new ByteArrayInputStream(document.bytes(), (int) offset, (int) length);
      case Served.StoredBlob blob -> blobs.read(scope, blob.digest(), offset, length);
    };
  }

  /** A line for people that nobody may keep. */
  static void text(ServerResponse response, Status status, String line) {
    byte[] body = (line + "\n").getBytes(StandardCharsets.UTF_8);
    response.status(status);
    response.header(HeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8");
    response.header(HeaderNames.CACHE_CONTROL, "no-store");
    response.send(body);
  }

  @Override
  public void close() {
    guard.close();
  }
}
