package build.thresher.cas.s3;

import build.thresher.cas.api.BulkFilterInputStream;
import build.thresher.cas.api.Digest;
import io.helidon.http.HeaderNames;
import io.helidon.webserver.http.ServerRequest;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * The body of a request, with what its signature says of it.
 *
 * @param stream ends with an exception when the bytes are not those that were signed
 * @param length in bytes, as decoded
 */
record Body(InputStream stream, long length) {
  private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

  /**
   * @param payload value of {@code x-amz-content-sha256}
   */
  static Body of(ServerRequest request, String payload) throws S3Exception {
    InputStream raw =
        request.content().hasEntity()
            ? request.content().inputStream()
            : InputStream.nullInputStream();
    if (SHA256.matcher(payload).matches()) {
      return new Body(new Checked(raw, payload), length(request, "content-length"));
    }
    return switch (payload) {
      case "UNSIGNED-PAYLOAD" -> new Body(raw, length(request, "content-length"));
      case "STREAMING-UNSIGNED-PAYLOAD-TRAILER" ->
          new Body(new ChunkedBody(raw), length(request, "x-amz-decoded-content-length"));
      default ->
          throw new S3Exception(
              501,
              "NotImplemented",
              "bodies that are signed chunk by chunk are not understood: " + payload);
    };
  }

  private static long length(ServerRequest request, String header) throws S3Exception {
    String value = request.headers().first(HeaderNames.create(header)).orElse("0");
    if (!value.matches("\\d{1,15}")) {
      throw S3Exception.invalid(header + " is no length");
    }
    return Long.parseLong(value);
  }

  /** Compares at the end, before a reader that asks for one more byte learns that it is over. */
  private static final class Checked extends BulkFilterInputStream {
    private final MessageDigest sha256 = Digest.sha256();
    private final String expected;
    private boolean compared;

    Checked(InputStream in, String expected) {
      super(in);
      this.expected = expected;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      int n = in.read(buffer, offset, length);
      if (n > 0) {
        sha256.update(buffer, offset, n);
      } else if (n < 0 && !compared) {
        compared = true;
        if (!HexFormat.of().formatHex(sha256.digest()).equals(expected)) {
          throw new IOException("the body does not have the sha256 that was signed");
        }
      }
      return n;
    }

    /** What is skipped counts too. */
    @Override
    public long skip(long n) throws IOException {
      return n <= 0 ? 0 : readNBytes((int) Math.min(n, 1 << 16)).length;
    }

    @Override
    public boolean markSupported() {
      return false;
    }
  }
}
