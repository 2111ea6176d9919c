package build.thresher.cas.client;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Puts a tree of the store into a local directory. Refuses trees that are not canonical or exceed
 * the limits. Symbolic links are written as given, after everything else, and never followed, so
 * nothing is written outside the directory. After a failure the directory holds a part of the tree:
 * remove it.
 */
public final class TreeFetcher {
  private static final long BATCH_BYTES = 2 << 20;
  private static final int BATCH_BLOBS = 500;
  private static final long MAX_DIRECTORY_BYTES = 16 << 20;

  private static final Set<PosixFilePermission> PLAIN =
      PosixFilePermissions.fromString("rw-r--r--");
  private static final Set<PosixFilePermission> EXECUTABLE =
      PosixFilePermissions.fromString("rwxr-xr-x");

  private final BlobStore store;
  private final Scope scope;
  private final Limits limits;

  /**
   * How large a tree may be.
   *
   * @param depth names in the longest path
   * @param entries files, directories and links together
   * @param bytes sum of the sizes of all files
   */
  public record Limits(int depth, int entries, long bytes) {
    /** Deeper than any source tree, as large as any recipe repository or compiler. */
    public static final Limits GENEROUS = new Limits(100, 1_000_000, 64L << 30);
  }

  public TreeFetcher(BlobStore store, Scope scope, Limits limits) {
    this.store = store;
    this.scope = scope;
    this.limits = limits;
  }

  /**
   * Fetches all below {@code root} into a directory that is empty or not there yet.
   *
   * @throws BlobNotFoundException when the store lacks a part
   * @throws TreeFormatException when the tree is not canonical or too large
   */
  public void fetch(Digest root, Path into) throws IOException {
    Files.createDirectories(into);
    try (Stream<Path> listing = Files.list(into)) {
      if (listing.findAny().isPresent()) {
        throw new IOException(into + " is not empty; a tree is fetched into an empty directory");
      }
    }
    Plan plan = new Plan();
    Map<Path, Digest> level = new LinkedHashMap<>();
    level.put(into, root);
    for (int depth = 0; !level.isEmpty(); depth++) {
      if (depth > limits.depth()) {
        throw new TreeFormatException(
            "tree " + root + " is more than " + limits.depth() + " directories deep", null);
      }
      level = plan.enter(root, level);
    }
    writeFiles(plan.files);
    for (Map.Entry<Path, String> link : plan.links.entrySet()) {
      Files.createSymbolicLink(link.getKey(), Path.of(link.getValue()));
    }
  }

  private record Target(Path path, boolean executable) {}

  /** What is to be written, found level by level so that each level is a few batches. */
  private final class Plan {
    final Map<Digest, List<Target>> files = new LinkedHashMap<>();
    final Map<Path, String> links = new LinkedHashMap<>();
    private final Map<Digest, Directory> known = new HashMap<>();
    private long entries;
    private long bytes;

    Map<Path, Digest> enter(Digest root, Map<Path, Digest> level) throws IOException {
      load(level.values());
      Map<Path, Digest> next = new LinkedHashMap<>();
      for (Map.Entry<Path, Digest> at : level.entrySet()) {
        Directory directory = known.get(at.getValue());
        if (directory == null) {
          throw new BlobNotFoundException(at.getValue());
        }
        count(root, directory);
        for (FileNode file : directory.getFilesList()) {
          Digest digest = digest(file.getDigest());
          bytes += digest.sizeBytes();
          files
              .computeIfAbsent(digest, d -> new ArrayList<>(1))
              .add(new Target(at.getKey().resolve(file.getName()), file.getIsExecutable()));
        }
        for (SymlinkNode link : directory.getSymlinksList()) {
          links.put(at.getKey().resolve(link.getName()), link.getTarget());
        }
        for (DirectoryNode child : directory.getDirectoriesList()) {
          Path path = at.getKey().resolve(child.getName());
          Files.createDirectory(path);
          next.put(path, digest(child.getDigest()));
        }
        if (bytes > limits.bytes()) {
          throw new TreeFormatException(
              "tree " + root + " has more than " + limits.bytes() + " bytes in files", null);
        }
      }
      return next;
    }

    private void count(Digest root, Directory directory) throws TreeFormatException {
      entries +=
          (long) directory.getFilesCount()
              + directory.getSymlinksCount()
              + directory.getDirectoriesCount();
      if (entries > limits.entries()) {
        throw new TreeFormatException(
            "tree " + root + " has more than " + limits.entries() + " entries", null);
      }
    }

    private void load(Collection<Digest> digests) throws IOException {
      Set<Digest> unknown = new LinkedHashSet<>(digests);
      unknown.removeAll(known.keySet());
      for (Digest digest : unknown) {
        if (digest.sizeBytes() > MAX_DIRECTORY_BYTES) {
          throw new TreeFormatException("directory " + digest + " is too large to be one", null);
        }
      }
      for (List<Digest> batch : batches(unknown)) {
        for (Blob blob : store.readAll(scope, batch)) {
          known.put(blob.digest(), DirectoryReader.parse(blob.digest(), blob.bytes()));
        }
      }
    }
  }

  private void writeFiles(Map<Digest, List<Target>> files) throws IOException {
    List<Parallel.Transfer> transfers = new ArrayList<>();
    for (List<Digest> batch : batches(files.keySet())) {
      if (batch.getFirst().sizeBytes() > BATCH_BYTES) {
        transfers.add(
            () -> stream(batch.getFirst(), files.getOrDefault(batch.getFirst(), List.of())));
      } else {
        transfers.add(
            () -> {
              for (Blob blob : store.readAll(scope, batch)) {
                for (Target target : files.getOrDefault(blob.digest(), List.of())) {
                  try (OutputStream out = create(target)) {
                    out.write(blob.bytes());
                  }
                  setMode(target);
                }
              }
            });
      }
    }
    Parallel.run(transfers);
  }

  private void stream(Digest digest, List<Target> targets) throws IOException {
    for (Target target : targets) {
      try (InputStream in = store.read(scope, digest, 0, Long.MAX_VALUE);
          OutputStream out = create(target)) {
        in.transferTo(out);
      }
      setMode(target);
    }
  }

  private static OutputStream create(Target target) throws IOException {
    return Files.newOutputStream(
        target.path(),
        StandardOpenOption.CREATE_NEW,
        StandardOpenOption.WRITE,
        LinkOption.NOFOLLOW_LINKS);
  }

  private static void setMode(Target target) throws IOException {
    Files.setPosixFilePermissions(target.path(), target.executable() ? EXECUTABLE : PLAIN);
  }

  /** Batches of small blobs; a large one comes alone. */
  private static List<List<Digest>> batches(Collection<Digest> digests) {
    List<List<Digest>> batches = new ArrayList<>();
    List<Digest> batch = new ArrayList<>();
    long bytes = 0;
    for (Digest digest : digests) {
      if (digest.sizeBytes() > BATCH_BYTES) {
        batches.add(List.of(digest));
        continue;
      }
      if (!batch.isEmpty()
          && (bytes + digest.sizeBytes() > BATCH_BYTES || batch.size() == BATCH_BLOBS)) {
        batches.add(batch);
        batch = new ArrayList<>();
        bytes = 0;
      }
      batch.add(digest);
      bytes += digest.sizeBytes();
    }
    if (!batch.isEmpty()) {
      batches.add(batch);
    }
    return batches;
  }

  private static Digest digest(build.bazel.remote.execution.v2.Digest wire)
      throws TreeFormatException {
    try {
      return WireDigests.fromWire(wire);
    } catch (IllegalArgumentException e) {
      throw new TreeFormatException("a malformed digest: " + e.getMessage(), e);
    }
  }
}
