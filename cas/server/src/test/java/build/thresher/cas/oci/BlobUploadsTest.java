package build.thresher.cas.oci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.StoreFullException;
import java.io.ByteArrayInputStream;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BlobUploadsTest {
  @TempDir Path dir;

  @Test
  void whatWouldTouchTheDisksReserveIsRefused() throws Exception {
    BlobUploads uploads =
        BlobUploads.in(
            dir, new DiskReserve(dir, Long.MAX_VALUE), InstantSource.system(), new SecureRandom());
    String id = uploads.begin("release");
    try (BlobUploads.Upload upload = uploads.enter("release", id)) {
      var body = new ByteArrayInputStream(new byte[3 << 20]);
      assertThrows(StoreFullException.class, () -> upload.append(body, OptionalLong.empty()));
      assertEquals(0, upload.received());
    }
  }
}
