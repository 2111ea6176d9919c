package build.thresher.scheduler.worker;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Directory;
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
final class NamedBlobs {
  /** A tree is held in memory while it is looked through. */
  private static final long MAX_TREE_BYTES = 64L << 20;

  private final BlobStore blobs;

  NamedBlobs(BlobStore blobs) {
    this.blobs = blobs;
  }

  /** Missing ones; empty when the ending may be believed. */
  Set<Digest> missing(Scope scope, Ending ending) throws IOException {
    Set<Digest> named = new LinkedHashSet<>();
    Set<Digest> trees = new LinkedHashSet<>();
    if (ending.log() != null) {
      named.add(ending.log());
    }
    switch (ending.outputs()) {
      case SpackOutputs outputs -> named.addAll(List.of(outputs.archive(), outputs.spec()));
      case ActionOutputs outputs -> collect(outputs, named, trees);
      case null -> {}
    }
    Set<Digest> missing = blobs.findMissing(scope, named);
    if (!missing.isEmpty() || trees.isEmpty()) {
      return missing;
    }
    Set<Digest> children = new LinkedHashSet<>();
    for (Digest tree : trees) {
      children.addAll(files(scope, tree));
    }
    return blobs.findMissing(scope, children);
  }

  private static void collect(ActionOutputs outputs, Set<Digest> named, Set<Digest> trees)
      throws InvalidProtocolBufferException {
    ActionResult result = ActionResult.parseFrom(outputs.actionResult());
    for (OutputFile file : result.getOutputFilesList()) {
      named.add(Wire.digest(file.getDigest()));
    }
    for (OutputDirectory directory : result.getOutputDirectoriesList()) {
      Digest tree = Wire.digest(directory.getTreeDigest());
      if (tree.sizeBytes() > MAX_TREE_BYTES) {
        throw new IllegalArgumentException(
            "the tree of "
                + directory.getPath()
                + " has "
                + tree.sizeBytes()
                + " bytes; at most "
                + MAX_TREE_BYTES
                + " are taken");
      }
      trees.add(tree);
      if (directory.hasRootDirectoryDigest()) {
        named.add(Wire.digest(directory.getRootDirectoryDigest()));
      }
    }
    named.addAll(trees);
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
