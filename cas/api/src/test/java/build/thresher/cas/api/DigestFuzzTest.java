package build.thresher.cas.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.nio.charset.StandardCharsets;

/** Names of blobs as strangers write them. */
class DigestFuzzTest extends HostileBytes {

  @Hostile
  void aHashIsRefusedOrTheTextItself(byte[] utf8) {
    String text = new String(utf8, StandardCharsets.UTF_8);
    try {
      assertEquals(text, Digest.parse(text, utf8.length).hex());
      assertTrue(text.matches("[0-9a-f]{64}"));
    } catch (IllegalArgumentException e) {
      assertTrue(String.valueOf(e.getMessage()).contains("digest"));
    }
  }
}
