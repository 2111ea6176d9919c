package build.thresher.cas.s3;

import build.thresher.cas.api.Digest;
import java.nio.charset.StandardCharsets;
import java.security.InvalidKeyException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * AWS Signature Version 4 in the Authorization header, as Amazon documents it for S3 ("Signature
 * Calculations for the Authorization Header").
 *
 * <p>The signature covers method, path, query, the named headers and the body's checksum. A request
 * is valid for fifteen minutes, so one that was overheard can be repeated that long; use TLS.
 */
final class SignatureV4 {
  static final Duration VALIDITY = Duration.ofMinutes(15);

  private static final Pattern AUTHORIZATION =
      Pattern.compile(
          "AWS4-HMAC-SHA256 Credential=([^/,\\s]{1,128})/(\\d{8})/([a-z0-9-]{1,32})/s3/aws4_request,"
              + "\\s*SignedHeaders=([a-z0-9;-]{1,1000}),\\s*Signature=([0-9a-f]{64})");
  private static final DateTimeFormatter AMZ_DATE =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private SignatureV4() {}

  /**
   * What was signed.
   *
   * @param rawPath as sent, beginning with a slash
   * @param rawQuery as sent, without the question mark
   * @param header value of a header by its lower-case name, lines of one name joined by commas
   */
  record Request(
      String method, String rawPath, String rawQuery, Function<String, Optional<String>> header) {}

  /**
   * Checks the signature of a request.
   *
   * @param secrets of which one must have signed it
   * @return value of {@code x-amz-content-sha256}: what the body must be
   * @throws S3Exception when there is none, an old one or a wrong one
   */
  static String verify(Request request, List<byte[]> secrets, Instant now) throws S3Exception {
    Matcher m =
        AUTHORIZATION.matcher(
            request
                .header()
                .apply("authorization")
                .orElseThrow(() -> S3Exception.denied("the request is not signed")));
    if (!m.matches()) {
      throw S3Exception.denied("the request is not signed with AWS Signature Version 4");
    }
    String date = required(request, "x-amz-date");
    requireRecent(date, m.group(2), now);
    List<String> signed = List.of(m.group(4).split(";"));
    for (String name : List.of("host", "x-amz-date", "x-amz-content-sha256")) {
      if (!signed.contains(name)) {
        throw S3Exception.denied("the header " + name + " is not signed");
      }
    }
    String payload = required(request, "x-amz-content-sha256");
    String scope = m.group(2) + "/" + m.group(3) + "/s3/aws4_request";
    String toSign =
        "AWS4-HMAC-SHA256\n"
            + date
            + "\n"
            + scope
            + "\n"
            + sha256(canonical(request, signed, payload));
    for (byte[] secret : secrets) {
      byte[] key = hmac(concat("AWS4".getBytes(StandardCharsets.US_ASCII), secret), m.group(2));
      key = hmac(hmac(hmac(key, m.group(3)), "s3"), "aws4_request");
      String expected = HexFormat.of().formatHex(hmac(key, toSign));
      if (MessageDigest.isEqual(bytes(expected), bytes(m.group(5)))) {
        return payload;
      }
    }
    throw new S3Exception(
        403,
        "SignatureDoesNotMatch",
        "the signature does not fit: the secret access key is the farm's token");
  }

  private static void requireRecent(String date, String day, Instant now) throws S3Exception {
    try {
      Instant signedAt = Instant.from(AMZ_DATE.parse(date));
      if (date.startsWith(day) && Duration.between(signedAt, now).abs().compareTo(VALIDITY) <= 0) {
        return;
      }
    } catch (DateTimeException e) {
      throw S3Exception.denied("x-amz-date is no date: " + date);
    }
    throw new S3Exception(
        403, "RequestTimeTooSkewed", "the request was signed at " + date + ", it is " + now);
  }

  private static String canonical(Request request, List<String> signed, String payload)
      throws S3Exception {
    StringBuilder text = new StringBuilder();
    text.append(request.method()).append('\n').append(request.rawPath()).append('\n');
    text.append(canonicalQuery(request.rawQuery())).append('\n');
    for (String name : signed) {
      String value = required(request, name).strip().replaceAll(" +", " ");
      text.append(name).append(':').append(value).append('\n');
    }
    text.append('\n').append(String.join(";", signed)).append('\n').append(payload);
    return text.toString();
  }

  private static String canonicalQuery(String raw) {
    if (raw.isEmpty()) {
      return "";
    }
    List<String> pairs = new ArrayList<>();
    for (String pair : raw.split("&", -1)) {
      pairs.add(pair.contains("=") ? pair : pair + "=");
    }
    Collections.sort(pairs);
    return String.join("&", pairs);
  }

  private static String required(Request request, String header) throws S3Exception {
    return request
        .header()
        .apply(header)
        .orElseThrow(() -> S3Exception.denied("the header " + header + " is missing"));
  }

  private static byte[] hmac(byte[] key, String text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      return mac.doFinal(bytes(text));
    } catch (NoSuchAlgorithmException | InvalidKeyException e) {
      throw new IllegalStateException("every Java has HmacSHA256", e);
    }
  }

  private static String sha256(String text) {
    return Digest.of(bytes(text)).hex();
  }

  private static byte[] concat(byte[] a, byte[] b) {
    byte[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
