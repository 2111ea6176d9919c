package build.thresher.cas.s3;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Signatures and bodies of whoever reaches the bucket. */
class S3FuzzTest extends HostileBytes {
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
  private static final byte[] SECRET = "secret".getBytes(StandardCharsets.US_ASCII);

  /** The first line is the query, the others are headers. None was made with this secret. */
  @Hostile
  void aSignatureOfNobodyIsRefusedInWords(byte[] latin) {
    List<String> lines = new String(latin, StandardCharsets.ISO_8859_1).lines().toList();
    Map<String, String> headers = new HashMap<>();
    for (String line : lines) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1));
      }
    }
    SignatureV4.Request request =
        new SignatureV4.Request(
            "GET",
            "/bucket/key",
            lines.isEmpty() ? "" : lines.getFirst(),
            name -> Optional.ofNullable(headers.get(name)));
    try {
      SignatureV4.verify(request, List.of(SECRET), NOW);
      throw new AssertionError("nobody signed it");
    } catch (S3Exception e) {
      assertEquals(403, e.status());
      assertFalse(e.code().isEmpty());
    }
  }

  @Hostile
  void aChunkedBodyIsRefusedOrTheSameHoweverItIsRead(byte[] chunked) {
    Optional<byte[]> whole = decoded(chunked, 64 << 10);
    Optional<byte[]> inPieces = decoded(chunked, 3);
    assertEquals(whole.isPresent(), inPieces.isPresent());
    if (whole.isPresent()) {
      assertArrayEquals(whole.get(), inPieces.orElseThrow());
      assertTrue(whole.get().length < chunked.length, "longer than what carried it");
    }
  }

  /** Empty when it is refused. */
  private static Optional<byte[]> decoded(byte[] chunked, int pieceBytes) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] piece = new byte[pieceBytes];
    try (ChunkedBody body = new ChunkedBody(new ByteArrayInputStream(chunked))) {
      for (int n = body.read(piece); n >= 0; n = body.read(piece)) {
        out.write(piece, 0, n);
      }
      return Optional.of(out.toByteArray());
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
