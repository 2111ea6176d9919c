package build.thresher.cas.s3;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.StoreFullException;
import java.io.ByteArrayInputStream;
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
}
