package build.thresher.cas.s3;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Signs as a client does; written from the specification, not from the code under test. */
record TestSigner(String secret, Instant now) {

  /**
   * Headers to send.
   *
   * @param query in the order of its names
   */
  Map<String, String> sign(String method, String path, String query, String host, String payload)
      throws Exception {
    String time =
        DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC).format(now);
    String day = time.substring(0, 8);
    String canonicalQuery = query.isEmpty() || query.contains("=") ? query : query + "=";
    String canonical =
        String.join(
            "\n",
            method,
            path,
            canonicalQuery,
            "host:" + host,
            "x-amz-content-sha256:" + payload,
            "x-amz-date:" + time,
            "",
            "host;x-amz-content-sha256;x-amz-date",
            payload);
    String scope = day + "/farm/s3/aws4_request";
    String toSign =
        String.join(
            "\n",
            "AWS4-HMAC-SHA256",
            time,
            scope,
            HexFormat.of()
                .formatHex(
                    MessageDigest.getInstance("SHA-256")
                        .digest(canonical.getBytes(StandardCharsets.UTF_8))));
    byte[] key = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
    for (String part : new String[] {day, "farm", "s3", "aws4_request"}) {
      key = hmac(key, part);
    }
    Map<String, String> headers = new TreeMap<>();
    headers.put("x-amz-date", time);
    headers.put("x-amz-content-sha256", payload);
    headers.put(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=anybody/"
            + scope
            + ", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
            + HexFormat.of().formatHex(hmac(key, toSign)));
    return headers;
  }

  private static byte[] hmac(byte[] key, String text) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
  }
}
