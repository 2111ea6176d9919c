package build.thresher.client.sources;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.NamedSource;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.Supplier;

/**
 * Writes sources into a directory that Spack uses as a {@code file://} mirror. Each file is
 * verified as it is written, and complete or absent: an export that was interrupted goes on where
 * it was. Readable names are links, as {@code spack mirror create} makes them.
 */
public final class SourceExport {
  private final BlobStore store;
  private final Scope scope;
  private final Path to;
  private final SharedFiles files;
  private final boolean verify;
  private final Supplier<String> unique;

  /**
   * @param group that shares the directory; "" for none
   * @param verify whether what is there already is read and compared, not only its size
   * @param unique a name that no other export uses
   */
  public SourceExport(
      BlobStore store,
      String instance,
      Path to,
      String group,
      boolean verify,
      Supplier<String> unique)
      throws IOException {
    this.store = store;
    this.scope = new Scope(instance, "sources");
    this.to = to;
    this.files = SharedFiles.of(to, group);
    this.verify = verify;
    this.unique = unique;
    files.directories(to);
  }

  /**
   * Brings one source there.
   *
   * @return bytes that were written; 0 when it was there
   */
  public long write(NamedSource source) throws IOException {
    Digest digest = WireDigests.fromWire(source.getDigest());
    Path file = below(source.getMirrorPath());
    long written = 0;
    if (!isThere(file, digest)) {
      files.directories(parent(file));
      copy(digest, file);
      written = digest.sizeBytes();
    }
    for (String name : source.getNamesList()) {
      link(below(name), file);
    }
    return written;
  }

  /** The farm is believed no more than anybody else. */
  private Path below(String path) throws IOException {
    for (String name : path.split("/", -1)) {
      if (name.isEmpty() || name.equals(".") || name.equals("..")) {
        throw new IOException("the farm names a source by no plain relative path: " + path);
      }
    }
    return to.resolve(path);
  }

  private static Path parent(Path file) {
    return file.resolveSibling(".").normalize();
  }

  private boolean isThere(Path file, Digest digest) throws IOException {
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        || Files.size(file) != digest.sizeBytes()) {
      return false;
    }
    if (!verify) {
      return true;
    }
    try (InputStream in = Files.newInputStream(file)) {
      return hash(in, OutputStream.nullOutputStream()).equals(digest.hex());
    }
  }

  private void copy(Digest digest, Path file) throws IOException {
    Path temporary = file.resolveSibling(".export-" + unique.get());
    try (InputStream in = store.read(scope, digest, 0, Long.MAX_VALUE)) {
      try (OutputStream out = Files.newOutputStream(temporary, StandardOpenOption.CREATE_NEW)) {
        String found = hash(in, out);
        if (!found.equals(digest.hex())) {
          throw new IOException("the farm sent another file than " + digest + ": " + found);
        }
      }
      files.file(temporary);
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static String hash(InputStream in, OutputStream out) throws IOException {
    MessageDigest sha256 = Digest.sha256();
    try (DigestInputStream hashing = new DigestInputStream(in, sha256)) {
      hashing.transferTo(out);
    }
    return HexFormat.of().formatHex(sha256.digest());
  }

  private void link(Path name, Path file) throws IOException {
    Path target = parent(name).relativize(file);
    if (Files.isSymbolicLink(name) && Files.readSymbolicLink(name).equals(target)) {
      return;
    }
    if (Files.exists(name, LinkOption.NOFOLLOW_LINKS) && !Files.isSymbolicLink(name)) {
      return; // somebody's own file
    }
    files.directories(parent(name));
    Path temporary = name.resolveSibling(".export-" + unique.get());
    try {
      Files.createSymbolicLink(temporary, target);
      Files.move(temporary, name, StandardCopyOption.ATOMIC_MOVE);
    } catch (FileAlreadyExistsException e) {
      throw new IOException(temporary + " is in the way", e);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }
}
