package build.thresher.cas.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The examples in Amazon's "Signature Calculations for the Authorization Header", and bad ones. */
class SignatureV4Test {
  private static final List<byte[]> SECRET =
      List.of("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".getBytes(StandardCharsets.US_ASCII));
  private static final Instant NOW = Instant.parse("2013-05-24T00:00:00Z");
  private static final String EMPTY =
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  private static final String CREDENTIAL =
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,";

  private static Map<String, String> headers(String payload, String signed, String signature) {
    Map<String, String> headers = new HashMap<>();
    headers.put("host", "examplebucket.s3.amazonaws.com");
    headers.put("x-amz-date", "20130524T000000Z");
    headers.put("x-amz-content-sha256", payload);
    headers.put(
        "authorization", CREDENTIAL + "SignedHeaders=" + signed + ",Signature=" + signature);
    return headers;
  }

  private static SignatureV4.Request request(
      String method, String path, String query, Map<String, String> headers) {
    return new SignatureV4.Request(
        method, path, query, name -> Optional.ofNullable(headers.get(name)));
  }

  @Test
  void aGetWithARange() throws Exception {
    Map<String, String> headers =
        headers(
            EMPTY,
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    headers.put("range", "bytes=0-9");
    assertEquals(EMPTY, SignatureV4.verify(request("GET", "/test.txt", "", headers), SECRET, NOW));
  }

  @Test
  void aPutWithAnEncodedPath() throws Exception {
    String payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    Map<String, String> headers =
        headers(
            payload,
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    headers.put("date", "Fri, 24 May 2013 00:00:00 GMT");
    headers.put("x-amz-storage-class", "REDUCED_REDUNDANCY");
    assertEquals(
        payload, SignatureV4.verify(request("PUT", "/test%24file.text", "", headers), SECRET, NOW));
  }

  @ParameterizedTest
  @CsvSource({
    "lifecycle, fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    "max-keys=2&prefix=J, 34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    "prefix=J&max-keys=2, 34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
  })
  void aQuery(String query, String signature) throws Exception {
    Map<String, String> headers = headers(EMPTY, "host;x-amz-content-sha256;x-amz-date", signature);
    assertEquals(EMPTY, SignatureV4.verify(request("GET", "/", query, headers), SECRET, NOW));
  }

  @Test
  void whatIsNotSignedSoIsRefused() {
    String good = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    String names = "host;x-amz-content-sha256;x-amz-date";
    refused("SignatureDoesNotMatch", request("GET", "/", "acl", headers(EMPTY, names, good)));
    refused("SignatureDoesNotMatch", request("PUT", "/", "lifecycle", headers(EMPTY, names, good)));
    refused(
        "SignatureDoesNotMatch", request("GET", "/x", "lifecycle", headers(EMPTY, names, good)));
    refused(
        "SignatureDoesNotMatch",
        request("GET", "/", "lifecycle", headers("UNSIGNED-PAYLOAD", names, good)));
    refused("AccessDenied", request("GET", "/", "lifecycle", headers(EMPTY, "host", good)));
    refused("AccessDenied", request("GET", "/", "lifecycle", new HashMap<>()));
    Map<String, String> bearer = headers(EMPTY, names, good);
    bearer.put("authorization", "Bearer abc");
    refused("AccessDenied", request("GET", "/", "lifecycle", bearer));
    Map<String, String> noDate = headers(EMPTY, names, good);
    noDate.put("x-amz-date", "yesterday");
    refused("AccessDenied", request("GET", "/", "lifecycle", noDate));
  }

  @Test
  void aRequestIsGoodForAQuarterOfAnHour() throws Exception {
    Map<String, String> headers =
        headers(
            EMPTY,
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    SignatureV4.Request request = request("GET", "/", "lifecycle", headers);
    assertEquals(EMPTY, SignatureV4.verify(request, SECRET, NOW.plus(SignatureV4.VALIDITY)));
    for (Duration off : new Duration[] {Duration.ofSeconds(901), Duration.ofSeconds(-901)}) {
      S3Exception e =
          assertThrows(S3Exception.class, () -> SignatureV4.verify(request, SECRET, NOW.plus(off)));
      assertEquals("RequestTimeTooSkewed", e.code());
    }
  }

  private static void refused(String code, SignatureV4.Request request) {
    S3Exception e = assertThrows(S3Exception.class, () -> SignatureV4.verify(request, SECRET, NOW));
    assertEquals(code, e.code());
  }
}
