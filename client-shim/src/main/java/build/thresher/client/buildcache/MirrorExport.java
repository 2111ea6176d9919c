package build.thresher.client.buildcache;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.Parallel;
import build.thresher.client.buildcache.Mirror.Spec;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes a mirror of layout v3 into a directory, which any Spack then uses as a mirror without a
 * server. Blobs come before the manifests that name them, and the index comes last, each file
 * complete or absent: an export that was interrupted is a mirror with less in it, and goes on where
 * it was.
 */
public final class MirrorExport {
  private static final long MAX_KEYS = 1000;

  private final Mirror from;
  private final Path to;
  private final AtomicLong written = new AtomicLong();

  public MirrorExport(Mirror from, Path to) {
    this.from = from;
    this.to = to;
  }

  /**
   * @param specs that the directory has now
   * @param bytesWritten by this call
   */
  public record Exported(int specs, long bytesWritten) {}

  /** Hears of each spec as it is there, one at a time. */
  public interface Listener {
    void done(Spec spec);
  }

  /**
   * @param jobs specs at a time
   * @throws IOException when something cannot be read or written; what is there stays usable
   */
  public Exported run(int jobs, Listener listener) throws IOException {
    // Read first: everything that this index names is served until long after.
    byte[] index = required(Mirror.INDEX_MANIFEST);
    List<Spec> specs = from.specs();
    copy(Mirror.LAYOUT);
    keys();
    List<Parallel.Work<Spec>> all = new ArrayList<>();
    for (Spec spec : specs) {
      all.add(
          () -> {
            withBlobs(spec.path(), required(spec.path()));
            return spec;
          });
    }
    Parallel.run(jobs, all, listener::done);
    withBlobs(Mirror.INDEX_MANIFEST, index);
    return new Exported(specs.size(), written.get());
  }

  private void keys() throws IOException {
    if (from.files().read(Mirror.KEYS_MANIFEST, Mirror.MAX_MANIFEST_BYTES).isEmpty()) {
      return;
    }
    byte[] manifest = required(Mirror.KEYS_MANIFEST);
    for (JsonNode part : Mirror.json(manifest, Mirror.KEYS_MANIFEST).path("data")) {
      String blob = Mirror.blobPath(part.path("checksum").asText());
      List<String> fingerprints = new ArrayList<>();
      Mirror.json(required(blob), blob)
          .path("keys")
          .fieldNames()
          .forEachRemaining(fingerprints::add);
      for (String fingerprint : fingerprints.stream().limit(MAX_KEYS).toList()) {
        if (!fingerprint.matches("[0-9A-F]{16,64}")) {
          throw new IOException("the mirror's key index names no fingerprint: " + fingerprint);
        }
        String path = "v3/manifests/key/" + fingerprint + ".key.manifest.json";
        withBlobs(path, required(path));
      }
    }
    withBlobs(Mirror.KEYS_MANIFEST, manifest);
  }

  private void withBlobs(String path, byte[] manifest) throws IOException {
    for (JsonNode part : Mirror.unverified(manifest, path).path("data")) {
      blob(part.path("checksum").asText(), part.path("contentLength").asLong(-1));
    }
    write(path, manifest);
  }

  private void copy(String path) throws IOException {
    write(path, required(path));
  }

  private byte[] required(String path) throws IOException {
    return from.files()
        .read(path, Mirror.MAX_MANIFEST_BYTES)
        .orElseThrow(() -> new IOException(from.name() + " does not have " + path));
  }

  private void write(String path, byte[] bytes) throws IOException {
    Path file = to.resolve(path);
    Files.createDirectories(file.resolveSibling("."));
    Path temporary = Files.createTempFile(to, ".export-", ".tmp");
    try {
      Files.write(temporary, bytes);
      publish(temporary, file);
      written.addAndGet(bytes.length);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** A blob that is there whole is not fetched again. */
  private void blob(String sha256, long size) throws IOException {
    String path = Mirror.blobPath(sha256);
    Path file = to.resolve(path);
    if (Files.isRegularFile(file) && Files.size(file) == size) {
      return;
    }
    Files.createDirectories(file.resolveSibling("."));
    Path temporary = Files.createTempFile(to, ".export-", ".tmp");
    try (InputStream in =
            from.files()
                .open(path)
                .orElseThrow(() -> new IOException(from.name() + " does not have " + path));
        DigestInputStream hashing = new DigestInputStream(in, Digest.sha256());
        OutputStream out = Files.newOutputStream(temporary)) {
      long length = hashing.transferTo(out);
      String found = HexFormat.of().formatHex(hashing.getMessageDigest().digest());
      if (length != size || !found.equals(sha256)) {
        throw new IOException(
            "%s of %s has %d bytes and the sha256 %s".formatted(path, from.name(), length, found));
      }
      publish(temporary, file);
      written.addAndGet(length);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Temporary files are private; a mirror is for all. */
  private static void publish(Path temporary, Path file) throws IOException {
    Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rw-r--r--"));
    Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
  }
}
