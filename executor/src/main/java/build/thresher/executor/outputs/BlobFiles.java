package build.thresher.executor.outputs;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.MessageDigest;

/** Uploads files. Nothing else changes them meanwhile. Stateless. */
public final class BlobFiles {
  private final BlobStore store;
  private final Scope scope;

  public BlobFiles(BlobStore store, Scope scope) {
    this.store = store;
    this.scope = scope;
  }

  /** Uploads a file under the name that its content gives. */
  public Digest upload(Path file) throws IOException {
    MessageDigest sha256 = Digest.sha256();
    byte[] buffer = new byte[1 << 16];
    long size = 0;
    try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        sha256.update(buffer, 0, n);
        size += n;
      }
    }
    Digest digest = Digest.fromHash(sha256.digest(), size);
    upload(file, digest);
    return digest;
  }

  /** Uploads a file under a given name; the store verifies it. */
  public void upload(Path file, Digest digest) throws IOException {
    if (store.contains(scope, digest)) {
      return;
    }
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS);
        BlobWriter writer = store.write(scope, digest)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        writer.write(ByteBuffer.wrap(buffer, 0, n));
      }
      writer.commit();
    }
  }
}
