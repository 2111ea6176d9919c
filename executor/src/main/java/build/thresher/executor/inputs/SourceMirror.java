package build.thresher.executor.inputs;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;

/**
 * Fills a directory that Spack reads as a source mirror, for one build. Every file is verified
 * against its checksum and belongs to this build alone. Stateless.
 */
public final class SourceMirror {
  private final BlobStore store;
  private final RemoteSources remote;

  public SourceMirror(BlobStore store, RemoteSources remote) {
    this.store = store;
    this.remote = remote;
  }

  /**
   * Puts all sources in place.
   *
   * @throws SourceUnavailableException when one cannot be had
   */
  public void fill(Scope scope, Path mirror, List<SourceFile> sources) throws IOException {
    Files.createDirectories(mirror);
    for (SourceFile source : sources) {
      if (!source.unsupported().isEmpty()) {
        throw new SourceUnavailableException(source.unsupported(), null);
      }
      Path file = mirror.resolve(source.mirrorPath());
      Path parent = file.getParent();
      if (parent != null) {
        Files.createDirectories(parent);
      }
      if (!Files.exists(file)) {
        place(scope, source, file);
      }
    }
  }

  private void place(Scope scope, SourceFile source, Path file) throws IOException {
    if (source.digest().isPresent()) {
      try {
        copy(scope, source, source.digest().get(), file);
        return;
      } catch (BlobNotFoundException e) {
        if (source.urls().isEmpty()) {
          throw e; // Only the client has it.
        }
      }
    }
    copy(scope, source, remote.fetch(scope, source), file);
  }

  private void copy(Scope scope, SourceFile source, Digest digest, Path file) throws IOException {
    MessageDigest sha256 = Digest.sha256();
    try (InputStream in = store.read(scope, digest, 0, Long.MAX_VALUE);
        OutputStream out = new DigestOutputStream(Files.newOutputStream(file), sha256)) {
      in.transferTo(out);
    } catch (IOException e) {
      Files.deleteIfExists(file);
      throw e;
    }
    String actual = HexFormat.of().formatHex(sha256.digest());
    if (!actual.equals(source.sha256())) {
      Files.delete(file);
      throw new SourceUnavailableException(
          "the source "
              + source.mirrorPath()
              + " has the checksum "
              + actual
              + " instead of "
              + source.sha256(),
          null);
    }
  }
}
