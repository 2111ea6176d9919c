package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.DirectoryReader;
import build.thresher.cas.client.TreeFormatException;
import build.thresher.cas.client.WireDigests;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * All Directory messages of one input root, read level by level, each distinct one once, and found
 * canonical. Immutable once loaded.
 *
 * @param root digest of the root Directory
 * @param directories every Directory that can be reached from it
 * @param extents how large each of them is with all that is below
 */
record InputTree(Digest root, Map<Digest, Directory> directories, Map<Digest, Extent> extents) {
  private static final int MAX_DEPTH = 200;
  private static final int MAX_DIRECTORIES = 200_000;
  private static final long MAX_ENTRIES = 2_000_000;
  private static final int MAX_DIRECTORY_BYTES = 16 << 20;
  private static final long BATCH_BYTES = 2 << 20;
  private static final int BATCH_BLOBS = 500;

  /** Remembers Directory messages between actions, whose inputs are mostly the same. */
  interface Memory {
    /** Known ones only. */
    Map<Digest, Directory> find(Set<Digest> wanted);

    void remember(Digest digest, Directory directory);
  }

  /**
   * The size of a directory written out, in which equal directories count each time.
   *
   * @param entries names in all of it
   * @param height directories in its longest path
   */
  record Extent(long entries, int height) {}

  /** Names in a directory with all that is below. */
  long entries(Digest digest) {
    Extent extent = extents.get(digest);
    if (extent == null) {
      throw new IllegalStateException("directory " + digest + " is not below " + root);
    }
    return extent.entries();
  }

  Directory directory(Digest digest) {
    Directory directory = directories.get(digest);
    if (directory == null) {
      throw new IllegalStateException("directory " + digest + " is not below " + root);
    }
    return directory;
  }

  /**
   * @throws MissingInputsException when the store lacks directories of one level
   * @throws RefusedActionException when the tree is not canonical or too large
   */
  static InputTree load(BlobStore store, Scope scope, Digest root, Memory memory)
      throws IOException {
    Map<Digest, Directory> all = new HashMap<>();
    Set<Digest> level = new LinkedHashSet<>(List.of(root));
    for (int depth = 0; !level.isEmpty(); depth++) {
      if (depth > MAX_DEPTH || all.size() + level.size() > MAX_DIRECTORIES) {
        throw new RefusedActionException(
            "the input root is deeper than "
                + MAX_DEPTH
                + " directories or has more than "
                + MAX_DIRECTORIES);
      }
      Map<Digest, Directory> found = read(store, scope, level, memory);
      all.putAll(found);
      Set<Digest> next = new LinkedHashSet<>();
      for (Directory directory : found.values()) {
        for (DirectoryNode child : directory.getDirectoriesList()) {
          Digest digest = digest(child.getDigest());
          if (!all.containsKey(digest)) {
            next.add(digest);
          }
        }
      }
      level = next;
    }
    Map<Digest, Extent> extents = new HashMap<>();
    measure(root, all, extents, 0);
    return new InputTree(root, all, extents);
  }

  /** A few directories that name each other twice can be more than any disk, written out. */
  private static Extent measure(
      Digest digest, Map<Digest, Directory> all, Map<Digest, Extent> known, int depth)
      throws RefusedActionException {
    Extent extent = known.get(digest);
    Directory directory = all.get(digest);
    if (extent == null && directory != null && depth <= MAX_DEPTH) {
      long entries = (long) directory.getFilesCount() + directory.getSymlinksCount();
      int height = 0;
      for (DirectoryNode child : directory.getDirectoriesList()) {
        Extent below = measure(digest(child.getDigest()), all, known, depth + 1);
        entries += 1 + below.entries();
        height = Math.max(height, 1 + below.height());
      }
      extent = new Extent(entries, height);
      known.put(digest, extent);
    }
    if (extent == null || depth + extent.height() > MAX_DEPTH || extent.entries() > MAX_ENTRIES) {
      throw new RefusedActionException(
          "the input root has paths of more than "
              + MAX_DEPTH
              + " names, or more than "
              + MAX_ENTRIES
              + " entries");
    }
    return extent;
  }

  /** Every file that the tree names, each once. */
  Set<FileKey> files() throws RefusedActionException {
    Set<FileKey> files = new LinkedHashSet<>();
    for (Directory directory : directories.values()) {
      for (FileNode file : directory.getFilesList()) {
        files.add(FileKey.of(file));
      }
    }
    return files;
  }

  private static Map<Digest, Directory> read(
      BlobStore store, Scope scope, Set<Digest> level, Memory memory) throws IOException {
    Map<Digest, Directory> found = new HashMap<>(memory.find(level));
    List<Digest> batch = new ArrayList<>();
    long bytes = 0;
    for (Digest digest : level) {
      if (found.containsKey(digest)) {
        continue;
      }
      if (digest.isEmpty()) {
        found.put(digest, Directory.getDefaultInstance());
        continue;
      }
      if (digest.sizeBytes() > MAX_DIRECTORY_BYTES) {
        throw new RefusedActionException("directory " + digest + " is too large to be one");
      }
      if (bytes + digest.sizeBytes() > BATCH_BYTES || batch.size() == BATCH_BLOBS) {
        readBatch(store, scope, level, batch, found, memory);
        batch.clear();
        bytes = 0;
      }
      batch.add(digest);
      bytes += digest.sizeBytes();
    }
    readBatch(store, scope, level, batch, found, memory);
    return found;
  }

  private static void readBatch(
      BlobStore store,
      Scope scope,
      Set<Digest> level,
      List<Digest> batch,
      Map<Digest, Directory> found,
      Memory memory)
      throws IOException {
    if (batch.isEmpty()) {
      return;
    }
    try {
      for (Blob blob : store.readAll(scope, List.copyOf(batch))) {
        Directory directory = DirectoryReader.parse(blob.digest(), blob.bytes());
        found.put(blob.digest(), directory);
        memory.remember(blob.digest(), directory);
      }
    } catch (TreeFormatException e) {
      throw new RefusedActionException(String.valueOf(e.getMessage()));
    } catch (BlobNotFoundException e) {
      Set<Digest> missing = new LinkedHashSet<>(store.findMissing(scope, level));
      missing.add(e.digest());
      throw new MissingInputsException(missing);
    }
  }

  static Digest digest(build.bazel.remote.execution.v2.Digest wire) throws RefusedActionException {
    try {
      return WireDigests.fromWire(wire);
    } catch (IllegalArgumentException e) {
      throw new RefusedActionException("a malformed digest: " + e.getMessage());
    }
  }
}
