package build.thresher.executor.outputs;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/**
 * The mirror directory that one build pushed to, and nobody trusts: exactly one spec manifest that
 * names one archive and one spec, both present as regular files of their stated size. Symbolic
 * links are refused wherever one is met. Use it when the build is over.
 */
public final class PushedMirror {
  private static final String ARCHIVE_TYPE = "application/vnd.spack.install.";
  private static final String SPEC_TYPE = "application/vnd.spack.spec.";
  private static final long MAX_MANIFEST_BYTES = 1 << 20;
  private static final int MAX_ENTRIES = 1000;

  private final Path mirror;

  public PushedMirror(Path mirror) {
    this.mirror = mirror;
  }

  /** Uploads what was pushed for that DAG hash and returns its names. */
  public PushedSpec upload(String hash, BlobStore store, Scope scope) throws IOException {
    List<SpecManifest.Entry> archives = new ArrayList<>();
    List<SpecManifest.Entry> specs = new ArrayList<>();
    for (SpecManifest.Entry entry : SpecManifest.parse(read(manifest(hash)))) {
      if (entry.mediaType().startsWith(ARCHIVE_TYPE)) {
        archives.add(entry);
      } else if (entry.mediaType().startsWith(SPEC_TYPE)) {
        specs.add(entry);
      }
    }
    if (archives.size() != 1 || specs.size() != 1) {
      throw new OutputException(
          "the pushed manifest names "
              + archives.size()
              + " archives and "
              + specs.size()
              + " specs instead of one each");
    }
    SpecManifest.Entry archive = archives.getFirst();
    SpecManifest.Entry spec = specs.getFirst();
    BlobFiles files = new BlobFiles(store, scope);
    files.upload(blob(archive.digest()), archive.digest());
    files.upload(blob(spec.digest()), spec.digest());
    return new PushedSpec(archive.digest(), archive.mediaType(), spec.digest(), spec.mediaType());
  }

  private Path manifest(String hash) throws IOException {
    List<Path> manifests = new ArrayList<>();
    Path root = mirror.resolve("v3/manifests/spec");
    requirePlainDirectories(root);
    int[] seen = new int[1];
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            if (++seen[0] > MAX_ENTRIES) {
              throw new OutputException("the build pushed more than " + MAX_ENTRIES + " files");
            }
            if (!attributes.isRegularFile()) {
              throw new OutputException("the build pushed something that is no file: " + file);
            }
            if (file.toString().endsWith(".spec.manifest.json")) {
              manifests.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    if (manifests.size() != 1
        || !manifests.getFirst().toString().endsWith("-" + hash + ".spec.manifest.json")) {
      throw new OutputException(
          "the build pushed " + manifests.size() + " manifests instead of the one of " + hash);
    }
    return manifests.getFirst();
  }

  private static byte[] read(Path file) throws IOException {
    if (Files.size(file) > MAX_MANIFEST_BYTES) {
      throw new OutputException("the pushed manifest is larger than " + MAX_MANIFEST_BYTES);
    }
    return Files.readAllBytes(file);
  }

  private Path blob(Digest digest) throws IOException {
    String hex = digest.hex();
    Path directory = mirror.resolve("blobs/sha256").resolve(hex.substring(0, 2));
    requirePlainDirectories(directory);
    Path file = directory.resolve(hex);
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new OutputException("the pushed manifest names a blob that was not pushed: " + hex);
    }
    return file;
  }

  /** Every directory from the mirror down is one, and no link to one. */
  private void requirePlainDirectories(Path directory) throws OutputException {
    Path path = mirror;
    if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
      throw new OutputException("the build pushed nothing");
    }
    for (Path part : mirror.relativize(directory)) {
      path = path.resolve(part);
      if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
        throw new OutputException("the build pushed no directory " + mirror.relativize(path));
      }
    }
  }
}
