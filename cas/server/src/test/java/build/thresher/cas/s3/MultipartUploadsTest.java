package build.thresher.cas.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.StoreFullException;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MultipartUploadsTest {
  @TempDir Path dir;

  @Test
  void partsThatWouldTouchTheDisksReserveAreRefusedAndLeaveNothing() throws Exception {
    MultipartUploads uploads =
        MultipartUploads.in(dir, new DiskReserve(dir, Long.MAX_VALUE), InstantSource.system());
    String id = uploads.begin("key");
    var body = new ByteArrayInputStream(new byte[3 << 20]);
    assertThrows(StoreFullException.class, () -> uploads.part(id, "key", 1, body));
    try (Stream<Path> left = Files.list(dir.resolve(id))) {
      assertEquals(List.of(), left.toList());
    }
  }

  @Test
  void anUploadThatIsGivenUpWhilePartsComeLeavesNothing() throws Exception {
    MultipartUploads uploads =
        MultipartUploads.in(dir, new DiskReserve(dir, 0), InstantSource.system());
    String id = uploads.begin("key");
    uploads.part(id, "key", 1, new ByteArrayInputStream(new byte[10]));
    InputStream givesUpInTheMiddle =
        new FilterInputStream(new ByteArrayInputStream(new byte[10])) {
          @Override
          public int read(byte[] into, int at, int length) throws IOException {
            uploads.abort(id);
            return super.read(into, at, length);
          }
        };
    S3Exception refused =
        assertThrows(S3Exception.class, () -> uploads.part(id, "key", 2, givesUpInTheMiddle));
    assertEquals("NoSuchUpload", refused.code());
    try (Stream<Path> left = Files.list(dir)) {
      assertEquals(List.of(), left.toList());
    }
  }
}
