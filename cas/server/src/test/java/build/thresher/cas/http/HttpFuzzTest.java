package build.thresher.cas.http;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.nio.charset.StandardCharsets;

/** Paths and headers of anyone who reaches the mirror. */
class HttpFuzzTest extends HostileBytes {

  @Hostile
  void aPathIsRefusedOrPlain(byte[] latin) {
    RequestPath.parse(new String(latin, StandardCharsets.ISO_8859_1))
        .ifPresent(
            path -> {
              assertTrue(path.text().chars().allMatch(c -> c > ' ' && c < 127), path.text());
              assertFalse(path.text().contains("\\") || path.text().contains("%"), path.text());
              String slashed = "/" + path.text() + "/";
              assertFalse(
                  slashed.contains("//") || slashed.contains("/./") || slashed.contains("/../"),
                  path.text());
            });
  }

  @Hostile
  void aRangeLiesInsideTheBlob(byte[] latin) {
    String header = new String(latin, StandardCharsets.ISO_8859_1);
    for (long size : new long[] {0, 1, 100, Long.MAX_VALUE}) {
      switch (ByteRange.parse(header, size)) {
        case ByteRange.Whole whole -> {}
        case ByteRange.Unsatisfiable unsatisfiable -> {}
        case ByteRange.Part(long offset, long length) -> {
          assertTrue(offset >= 0 && length > 0, header);
          assertTrue(offset <= size - length, header);
        }
      }
    }
  }
}
