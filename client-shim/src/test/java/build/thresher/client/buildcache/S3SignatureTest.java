package build.thresher.client.buildcache;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The examples that Amazon documents for S3. */
class S3SignatureTest {

  @ParameterizedTest
  @CsvSource({
    "lifecycle=, fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    "max-keys=2&prefix=J, 34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
  })
  void requestsAreSignedAsAmazonSays(String query, String signature) {
    S3Signature signer =
        new S3Signature(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "",
            "us-east-1",
            () -> Instant.parse("2013-05-24T00:00:00Z"));
    Map<String, String> headers =
        signer.headers("GET", URI.create("https://examplebucket.s3.amazonaws.com/?" + query));
    String authorization = headers.getOrDefault("Authorization", "");
    assertTrue(authorization.endsWith("Signature=" + signature), authorization);
  }
}
