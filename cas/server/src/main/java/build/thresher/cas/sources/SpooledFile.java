package build.thresher.cas.sources;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/** From a file that was fetched to a blob. */
final class SpooledFile {
  private static final int BUFFER_BYTES = 64 << 10;

  private SpooledFile() {}

  /** Stores a file of any content. */
  static Digest store(BlobStore blobs, Scope scope, Path file) throws IOException {
    Checksums.Check check = Checksums.sha256(Digest.EMPTY).new Check();
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = Files.newInputStream(file)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        check.update(buffer, n);
      }
    }
    Digest digest = check.end().digest();
    store(blobs, scope, digest, file);
    return digest;
  }

  /** Stores a file whose digest is known. */
  static void store(BlobStore blobs, Scope scope, Digest digest, Path file) throws IOException {
    if (blobs.contains(scope, digest)) {
      return;
    }
    try (InputStream in = Files.newInputStream(file);
        BlobWriter writer = blobs.write(scope, digest)) {
      byte[] buffer = new byte[BUFFER_BYTES];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        writer.write(ByteBuffer.wrap(buffer, 0, n));
      }
      writer.commit();
    }
  }
}
