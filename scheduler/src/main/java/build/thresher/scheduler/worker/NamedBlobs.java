package build.thresher.scheduler.worker;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.Tree;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.wire.Wire;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Which of the blobs that the end of an execution names are not in the store, the children of trees
 * included. A refusal of what makes no sense is an {@link IllegalArgumentException} in words that
 * may be sent back.
 */
public final class NamedBlobs {
  /** A tree is held in memory while it is looked through. */
  private static final long MAX_TREE_BYTES = 64L << 20;

  private final BlobStore blobs;

  public NamedBlobs(BlobStore blobs) {
    this.blobs = blobs;
  }

  /** Missing ones; empty when the ending may be believed. To ask is a use of the others. */
  public Set<Digest> missing(Scope scope, Ending ending) throws IOException {
    Set<Digest> named = new LinkedHashSet<>();
    Set<Digest> trees = new LinkedHashSet<>();
    Set<Digest> roots = new LinkedHashSet<>();
    if (ending.log() != null) {
      named.add(ending.log());
    }
    switch (ending.outputs()) {
      case SpackOutputs outputs -> named.addAll(List.of(outputs.archive(), outputs.spec()));
      case ActionOutputs outputs -> collect(outputs, named, trees, roots);
      case null -> {}
    }
    Set<Digest> missing = blobs.findMissing(scope, named);
    if (!missing.isEmpty() || (trees.isEmpty() && roots.isEmpty())) {
      return missing;
    }
    Set<Digest> children = new LinkedHashSet<>();
    for (Digest tree : trees) {
      children.addAll(files(scope, tree));
    }
    missing = addBelow(scope, roots, children);
    return missing.isEmpty() ? blobs.findMissing(scope, children) : missing;
  }

  /**
   * Adds the files of these directories and of all below, each distinct directory read once.
   *
   * @return directories that are missing; not all files are known then
   */
  private Set<Digest> addBelow(Scope scope, Set<Digest> roots, Set<Digest> files)
      throws IOException {
    Set<Digest> walked = new HashSet<>(roots);
    Set<Digest> level = roots;
    while (!level.isEmpty()) {
      Set<Digest> missing = blobs.findMissing(scope, level);
      if (!missing.isEmpty()) {
        return missing;
      }
      Set<Digest> below = new LinkedHashSet<>();
      for (Digest digest : level) {
        Directory directory;
        try {
          directory = Directory.parseFrom(blobs.readAll(scope, limited("directory", digest)));
        } catch (InvalidProtocolBufferException e) {
          throw new IllegalArgumentException("the blob " + digest + " is no Directory", e);
        }
        addFiles(directory, files);
        for (DirectoryNode child : directory.getDirectoriesList()) {
          Digest found = Wire.digest(child.getDigest());
          if (walked.add(found)) {
            below.add(found);
          }
        }
      }
      level = below;
    }
    return Set.of();
  }

  private static Digest limited(String what, Digest message) {
    if (message.sizeBytes() > MAX_TREE_BYTES) {
      throw new IllegalArgumentException(
          "the "
              + what
              + " "
              + message
              + " is larger than the "
              + MAX_TREE_BYTES
              + " bytes that are taken");
    }
    return message;
  }

  private static void collect(
      ActionOutputs outputs, Set<Digest> named, Set<Digest> trees, Set<Digest> roots)
      throws InvalidProtocolBufferException {
    ActionResult result = ActionResult.parseFrom(outputs.actionResult());
    for (OutputFile file : result.getOutputFilesList()) {
      named.add(Wire.digest(file.getDigest()));
    }
    for (OutputDirectory directory : result.getOutputDirectoriesList()) {
      if (directory.hasTreeDigest() || !directory.hasRootDirectoryDigest()) {
        trees.add(limited("tree", Wire.digest(directory.getTreeDigest())));
      }
      if (directory.hasRootDirectoryDigest()) {
        roots.add(Wire.digest(directory.getRootDirectoryDigest()));
      }
    }
    named.addAll(trees);
    named.addAll(roots);
    if (result.hasStdoutDigest()) {
      named.add(Wire.digest(result.getStdoutDigest()));
    }
    if (result.hasStderrDigest()) {
      named.add(Wire.digest(result.getStderrDigest()));
    }
  }

  private Set<Digest> files(Scope scope, Digest tree) throws IOException {
    Set<Digest> files = new HashSet<>();
    try {
      Tree parsed = Tree.parseFrom(blobs.readAll(scope, tree));
      addFiles(parsed.getRoot(), files);
      parsed.getChildrenList().forEach(child -> addFiles(child, files));
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("the blob " + tree + " is no Tree", e);
    }
    return files;
  }

  private static void addFiles(Directory directory, Set<Digest> files) {
    directory.getFilesList().forEach(file -> files.add(Wire.digest(file.getDigest())));
  }
}
