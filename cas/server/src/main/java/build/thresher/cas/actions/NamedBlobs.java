package build.thresher.cas.actions;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.Tree;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import com.google.common.collect.Lists;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Every blob that a result names: files, streams, directories in both forms (a Tree in one blob, or
 * Directory blobs that name each other), and the files in them. Each distinct blob is asked for
 * once, so a graph that would unfold exponentially costs what it occupies. Symbolic links name no
 * blob. Used by one thread.
 */
public final class NamedBlobs {
  private static final int ASKED_TOGETHER = 4_000;
  private static final int MAX_BLOBS = 2_000_000;
  private static final long MAX_MESSAGE_BYTES = 64 << 20;

  private final BlobStore blobs;
  private final Scope scope;
  private final Set<Digest> seen = new HashSet<>();
  private final Set<Digest> unasked = new LinkedHashSet<>();
  private final Set<Digest> walked = new HashSet<>();

  private NamedBlobs(BlobStore blobs, Scope scope) {
    this.blobs = blobs;
    this.scope = scope;
  }

  /**
   * Returns where the store holds all of them, and uses each.
   *
   * @throws BlobNotFoundException naming one that it lacks
   * @throws IllegalArgumentException when a digest is malformed or a directory is none
   */
  static void requireAll(BlobStore blobs, Scope scope, ActionResult result) throws IOException {
    NamedBlobs named = new NamedBlobs(blobs, scope);
    Set<Digest> trees = new LinkedHashSet<>();
    List<Digest> roots = new ArrayList<>();
    for (OutputFile file : result.getOutputFilesList()) {
      named.add(file.getDigest());
    }
    if (result.hasStdoutDigest()) {
      named.add(result.getStdoutDigest());
    }
    if (result.hasStderrDigest()) {
      named.add(result.getStderrDigest());
    }
    for (OutputDirectory directory : result.getOutputDirectoriesList()) {
      boolean asDirectories = directory.hasRootDirectoryDigest();
      if (directory.hasTreeDigest() || !asDirectories) {
        trees.add(named.add(directory.getTreeDigest()));
      }
      if (asDirectories) {
        roots.add(named.add(directory.getRootDirectoryDigest()));
      }
    }
    named.ask();
    for (Digest tree : trees) {
      named.addFilesOf(tree);
    }
    named.addDirectories(roots);
    named.ask();
  }

  /**
   * The same for blobs and for directories with all below them.
   *
   * @return all of them
   */
  public static Set<Digest> requireAll(
      BlobStore blobs, Scope scope, List<Digest> files, List<Digest> directories)
      throws IOException {
    NamedBlobs named = new NamedBlobs(blobs, scope);
    files.forEach(named::add);
    directories.forEach(named::add);
    named.ask();
    named.addDirectories(directories);
    named.ask();
    return named.seen;
  }

  private Digest add(build.bazel.remote.execution.v2.Digest wire) {
    return add(WireDigests.fromWire(wire));
  }

  private Digest add(Digest digest) {
    if (seen.add(digest)) {
      unasked.add(digest);
      if (seen.size() > MAX_BLOBS) {
        throw new IllegalArgumentException("the result names more than " + MAX_BLOBS + " blobs");
      }
    }
    return digest;
  }

  private void ask() throws IOException {
    for (List<Digest> some : Lists.partition(List.copyOf(unasked), ASKED_TOGETHER)) {
      for (Digest missing : blobs.findMissing(scope, some)) {
        throw new BlobNotFoundException(missing);
      }
    }
    unasked.clear();
  }

  private void addFilesOf(Digest digest) throws IOException {
    Tree tree;
    try {
      tree = Tree.parseFrom(message(digest));
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("blob " + digest + " is not a Tree", e);
    }
    addFiles(tree.getRoot());
    tree.getChildrenList().forEach(this::addFiles);
  }

  /** Level by level: each is asked for together, then read. */
  private void addDirectories(List<Digest> roots) throws IOException {
    List<Digest> level = roots.stream().filter(walked::add).toList();
    while (!level.isEmpty()) {
      List<Digest> below = new ArrayList<>();
      for (Digest digest : level) {
        Directory directory;
        try {
          directory = Directory.parseFrom(message(digest));
        } catch (InvalidProtocolBufferException e) {
          throw new IllegalArgumentException("blob " + digest + " is not a Directory", e);
        }
        addFiles(directory);
        for (DirectoryNode child : directory.getDirectoriesList()) {
          Digest added = add(child.getDigest());
          if (walked.add(added)) {
            below.add(added);
          }
        }
      }
      ask();
      level = below;
    }
  }

  private void addFiles(Directory directory) {
    for (FileNode file : directory.getFilesList()) {
      add(file.getDigest());
    }
  }

  private byte[] message(Digest digest) throws IOException {
    if (digest.sizeBytes() > MAX_MESSAGE_BYTES) {
      throw new IllegalArgumentException(
          "blob " + digest + " is larger than the " + MAX_MESSAGE_BYTES + " bytes of a directory");
    }
    return blobs.readAll(scope, digest);
  }
}
