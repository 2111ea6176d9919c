package build.thresher.executor.inputs;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;

/**
 * What Spack fetches before it builds, each file brought to this host once and verified against its
 * checksum, for all builds of all executors that share the cache. A build gets a directory of its
 * own that Spack reads as a source mirror; builds must see it read-only. Thread-safe.
 */
public final class SourceCache implements Closeable {
  private static final String FILE = "source";

  private final BlobStore store;
  private final RemoteSources remote;
  private final KeyLocks locks;
  private final DirectoryCache cache;

  /**
   * @param root on the file system of the builds' directories, so that nothing need be copied
   */
  public SourceCache(
      Path root, long limitBytes, BlobStore store, RemoteSources remote, InstantSource clock)
      throws IOException {
    this.store = store;
    this.remote = remote;
    this.locks = KeyLocks.ofDigests(root);
    this.cache = new DirectoryCache(root, limitBytes, locks, clock);
  }

  /**
   * Puts all sources in place.
   *
   * @throws SourceUnavailableException when one cannot be had
   * @throws BlobNotFoundException when only the client has one
   */
  public void fill(Scope scope, Path mirror, List<SourceFile> sources)
      throws IOException, InterruptedException {
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
      if (Files.exists(file)) {
        continue;
      }
      SourceFile known =
          source.sha256().isEmpty() ? source.as(remote.fetch(scope, source)) : source;
      try (DirectoryCache.Use use =
          cache.acquire(
              known.sha256(), directory -> fetch(scope, known, directory.resolve(FILE)))) {
        link(use.path().resolve(FILE), file);
      }
    }
  }

  /** The link keeps the content when the cache evicts its own. */
  private static void link(Path cached, Path file) throws IOException {
    try {
      Files.createLink(file, cached);
    } catch (FileSystemException | UnsupportedOperationException e) {
      Files.copy(cached, file);
    }
  }

  private void fetch(Scope scope, SourceFile source, Path file) throws IOException {
    if (source.digest().isPresent()) {
      try {
        copy(scope, source, source.digest().get(), file);
        return;
      } catch (BlobNotFoundException e) {
        if (source.urls().isEmpty()) {
          throw e;
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
    }
    String actual = HexFormat.of().formatHex(sha256.digest());
    if (!actual.equals(source.sha256())) {
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

  /** How often a file was brought to this host since start. */
  long fetches() {
    return cache.fills();
  }

  @Override
  public void close() throws IOException {
    locks.close();
  }
}
