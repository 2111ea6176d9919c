package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Lists;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Looks through an input root level by level: every directory is canonical, and every blob is
 * there. Each distinct directory is read once, so a graph that unfolds to 2^60 files costs what its
 * few blobs cost; their number and the depth are bounded.
 */
final class InputRoot {
  private static final int MAX_DIRECTORIES = 200_000;
  private static final int MAX_FILES = 2_000_000;
  private static final int MAX_DEPTH = 1_000;
  private static final long MAX_DIRECTORY_BYTES = 16L << 20;
  private static final int BATCH_COUNT = 2_000;
  private static final long BATCH_BYTES = 3L << 20;

  private final BlobStore blobs;
  private final Scope scope;
  private final Set<Digest> seen = new HashSet<>();
  private final Set<Digest> files = new LinkedHashSet<>();
  private final Set<Digest> missing = new LinkedHashSet<>();

  private InputRoot(BlobStore blobs, Scope scope) {
    this.blobs = blobs;
    this.scope = scope;
  }

  /**
   * @throws ActionRefused when a blob is missing (all that can be told are named), or a directory
   *     breaks a rule
   */
  static void check(BlobStore blobs, Scope scope, Digest root) throws ActionRefused, IOException {
    InputRoot walk = new InputRoot(blobs, scope);
    walk.directories(root);
    walk.missing.addAll(blobs.findMissing(scope, walk.files));
    if (!walk.missing.isEmpty()) {
      throw ActionRefused.missing(ImmutableSet.copyOf(walk.missing));
    }
  }

  private void directories(Digest root) throws ActionRefused, IOException {
    Set<Digest> level = new LinkedHashSet<>(List.of(root));
    for (int depth = 0; !level.isEmpty(); depth++) {
      if (depth > MAX_DEPTH) {
        throw ActionRefused.because("the input root is deeper than " + MAX_DEPTH + " directories");
      }
      seen.addAll(level);
      if (seen.size() > MAX_DIRECTORIES) {
        throw ActionRefused.because(
            "the input root has more than " + MAX_DIRECTORIES + " distinct directories");
      }
      Set<Digest> below = new LinkedHashSet<>();
      for (Blob blob : read(level)) {
        below.addAll(children(blob));
      }
      below.removeAll(seen);
      level = below;
    }
  }

  private List<Blob> read(Collection<Digest> level) throws ActionRefused, IOException {
    Set<Digest> absent = blobs.findMissing(scope, level);
    missing.addAll(absent);
    List<Blob> found = new ArrayList<>();
    List<Digest> batch = new ArrayList<>();
    long bytes = 0;
    for (Digest digest : level) {
      if (absent.contains(digest)) {
        continue;
      }
      if (digest.sizeBytes() > MAX_DIRECTORY_BYTES) {
        throw ActionRefused.because(
            "directory " + digest + " is larger than " + MAX_DIRECTORY_BYTES + " bytes");
      }
      if (batch.size() == BATCH_COUNT || bytes + digest.sizeBytes() > BATCH_BYTES) {
        found.addAll(readAll(batch));
        batch.clear();
        bytes = 0;
      }
      batch.add(digest);
      bytes += digest.sizeBytes();
    }
    found.addAll(readAll(batch));
    return found;
  }

  private List<Blob> readAll(List<Digest> batch) throws IOException {
    try {
      return batch.isEmpty() ? List.of() : blobs.readAll(scope, batch);
    } catch (BlobNotFoundException e) {
      missing.add(e.digest()); // gone since it was looked for
      return List.of();
    }
  }

  private Set<Digest> children(Blob blob) throws ActionRefused {
    Directory directory;
    try {
      directory = Directory.parseFrom(blob.bytes());
    } catch (InvalidProtocolBufferException e) {
      throw ActionRefused.because("blob " + blob.digest() + " is no Directory");
    }
    checkCanonical(blob.digest(), directory);
    for (FileNode file : directory.getFilesList()) {
      files.add(Actions.digest("file " + file.getName(), file.getDigest()));
    }
    if (files.size() > MAX_FILES) {
      throw ActionRefused.because("the input root has more than " + MAX_FILES + " distinct files");
    }
    Set<Digest> below = new LinkedHashSet<>();
    for (DirectoryNode child : directory.getDirectoriesList()) {
      below.add(Actions.digest("directory " + child.getName(), child.getDigest()));
    }
    return below;
  }

  /**
   * Sorted by name within each kind, and no name twice: else equal trees would have two digests.
   */
  private static void checkCanonical(Digest digest, Directory directory) throws ActionRefused {
    Set<String> names = new HashSet<>();
    checkSorted(digest, Lists.transform(directory.getFilesList(), FileNode::getNameBytes), names);
    checkSorted(
        digest,
        Lists.transform(directory.getDirectoriesList(), DirectoryNode::getNameBytes),
        names);
    checkSorted(
        digest, Lists.transform(directory.getSymlinksList(), SymlinkNode::getNameBytes), names);
    for (SymlinkNode link : directory.getSymlinksList()) {
      if (link.getTarget().isEmpty() || link.getTarget().indexOf('\0') >= 0) {
        throw ActionRefused.because(
            "symbolic link " + link.getName() + " in directory " + digest + " has no target");
      }
    }
  }

  private static void checkSorted(Digest digest, List<ByteString> names, Set<String> all)
      throws ActionRefused {
    ByteString before = ByteString.EMPTY;
    for (ByteString bytes : names) {
      String name = bytes.toStringUtf8();
      RelativePaths.checkName("an entry of directory " + digest, name);
      if (ByteString.unsignedLexicographicalComparator().compare(before, bytes) > 0) {
        throw ActionRefused.because(
            "directory "
                + digest
                + " is not canonical: `"
                + name
                + "` comes after `"
                + before.toStringUtf8()
                + "`");
      }
      if (!all.add(name)) {
        throw ActionRefused.because("directory " + digest + " has two entries `" + name + "`");
      }
      before = bytes;
    }
  }
}
