package build.thresher.cas.store;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.Tree;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * All blobs and results that a walk deals with, the same for each seed: leaves, most of them small,
 * and results that name some of them, directly, in a Tree, or in directories below each other.
 */
final class Universe {
  private static final int LEAVES = 300;
  private static final int RESULTS = 60;

  /**
   * A result and all that it names.
   *
   * @param closure the directories among it
   */
  record Result(Digest action, ActionResult result, List<Blob> closure) {
    List<Digest> digests() {
      return closure.stream().map(Blob::digest).toList();
    }
  }

  private final Random random;
  private final List<Blob> leaves = new ArrayList<>();
  private final List<Result> results = new ArrayList<>();

  Universe(long seed) {
    random = new Random(seed);
    for (int i = 0; i < LEAVES; i++) {
      int large = random.nextInt(10) == 0 ? 5_000 : 0;
      byte[] bytes = new byte[100 + large + random.nextInt(3_000)];
      random.nextBytes(bytes);
      leaves.add(Blob.of(bytes));
    }
    for (int i = 0; i < RESULTS; i++) {
      results.add(i % 2 == 0 ? resultWithATree(i) : resultWithDirectories(i));
    }
  }

  List<Blob> leaves() {
    return leaves;
  }

  List<Result> results() {
    return results;
  }

  private Result resultWithATree(int number) {
    List<Blob> closure = someLeaves(4);
    Tree tree =
        Tree.newBuilder()
            .setRoot(directory(closure.get(0)))
            .addChildren(directory(closure.get(1)))
            .build();
    Blob treeBlob = Blob.of(tree.toByteArray());
    ActionResult.Builder result = ActionResult.newBuilder();
    result
        .addOutputDirectoriesBuilder()
        .setPath("tree")
        .setTreeDigest(WireDigests.toWire(treeBlob.digest()));
    result
        .addOutputFilesBuilder()
        .setPath("file")
        .setDigest(WireDigests.toWire(closure.get(2).digest()));
    result.setStdoutDigest(WireDigests.toWire(closure.get(3).digest()));
    closure.add(treeBlob);
    return result(number, result, closure);
  }

  private Result resultWithDirectories(int number) {
    List<Blob> closure = someLeaves(2);
    Blob below = Blob.of(directory(closure.get(0)).build().toByteArray());
    Directory.Builder root = directory(closure.get(1));
    root.addDirectoriesBuilder().setName("below").setDigest(WireDigests.toWire(below.digest()));
    Blob rootBlob = Blob.of(root.build().toByteArray());
    ActionResult.Builder result = ActionResult.newBuilder();
    result
        .addOutputDirectoriesBuilder()
        .setPath("directory")
        .setRootDirectoryDigest(WireDigests.toWire(rootBlob.digest()));
    closure.add(below);
    closure.add(rootBlob);
    return result(number, result, closure);
  }

  private static Result result(int number, ActionResult.Builder result, List<Blob> closure) {
    ActionResult built = result.setExitCode(number).build();
    return new Result(Digest.of(built.toByteArray()), built, List.copyOf(closure));
  }

  private List<Blob> someLeaves(int count) {
    List<Blob> some = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      some.add(leaves.get(random.nextInt(leaves.size())));
    }
    return some;
  }

  private static Directory.Builder directory(Blob file) {
    Directory.Builder directory = Directory.newBuilder();
    directory.addFilesBuilder().setName("file").setDigest(WireDigests.toWire(file.digest()));
    return directory;
  }
}
