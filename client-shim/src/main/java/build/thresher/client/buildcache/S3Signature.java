package build.thresher.client.buildcache;

import build.thresher.cas.api.Digest;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Signs requests without a body with AWS Signature Version 4, as Amazon documents it for S3. Path
 * and query of what is signed are encoded already, the query's names in their order.
 *
 * @param sessionToken of temporary credentials; "" for none
 */
record S3Signature(
    String accessKeyId, String secret, String sessionToken, String region, InstantSource clock)
    implements HttpFiles.Authentication {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  @Override
  public Map<String, String> headers(String method, URI uri) {
    Instant now = clock.instant();
    TreeMap<String, String> signed = new TreeMap<>();
    signed.put("host", uri.getRawAuthority());
    signed.put("x-amz-content-sha256", Digest.EMPTY.hex());
    signed.put("x-amz-date", TIME.format(now));
    if (!sessionToken.isEmpty()) {
      signed.put("x-amz-security-token", sessionToken);
    }
    String names = String.join(";", signed.keySet());
    StringBuilder canonical = new StringBuilder(method).append('\n').append(uri.getRawPath());
    canonical.append('\n').append(uri.getRawQuery() == null ? "" : uri.getRawQuery()).append('\n');
    signed.forEach((name, value) -> canonical.append(name).append(':').append(value).append('\n'));
    canonical.append('\n').append(names).append('\n').append(Digest.EMPTY.hex());
    String day = TIME.format(now).substring(0, 8);
    String scope = day + "/" + region + "/s3/aws4_request";
    String toSign =
        String.join(
            "\n",
            "AWS4-HMAC-SHA256",
            TIME.format(now),
            scope,
            Digest.of(canonical.toString().getBytes(StandardCharsets.UTF_8)).hex());
    byte[] key = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
    for (String part : new String[] {day, region, "s3", "aws4_request"}) {
      key = hmac(key, part);
    }
    signed.remove("host"); // the HTTP client sends it
    signed.put(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s"
            .formatted(accessKeyId, scope, names, HexFormat.of().formatHex(hmac(key, toSign))));
    return signed;
  }

  private static byte[] hmac(byte[] key, String text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java has HmacSHA256", e);
    }
  }

  /** Never the secrets. */
  @Override
  public String toString() {
    return "signed by " + accessKeyId;
  }
}
