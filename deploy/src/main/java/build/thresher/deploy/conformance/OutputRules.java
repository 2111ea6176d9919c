package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Digest;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.Tree;
import java.util.List;

/** What becomes of what an action writes. */
final class OutputRules {
  private static final String PROTO = "remote_execution.proto, ";
  private static final String COMMAND = PROTO + "Command.output_paths, working_directory";

  private OutputRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule("Outputs are collected, their parents made", COMMAND, OutputRules::outputs),
        new Rule(
            "The outputs of clients before API 2.1 are collected",
            PROTO + "Command.output_files, output_directories",
            OutputRules::oldOutputs),
        new Rule(
            "An output directory is a Tree in canonical form, and its files are there",
            PROTO + "OutputDirectory.tree_digest; Tree",
            OutputRules::tree),
        new Rule(
            "An output directory comes as Directories for those who ask for that",
            PROTO + "Command.output_directory_format",
            OutputRules::rootOfDirectory),
        new Rule(
            "Files keep whether they can be executed; stdout is stdout alone",
            PROTO + "OutputFile.is_executable; ActionResult.stdout_raw",
            OutputRules::modeAndStreams));
  }

  private static void outputs(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    Digest inside = server.upload(server.fresh());
    Digest root =
        server.upload(
            Directory.newBuilder()
                .addFiles(FileNode.newBuilder().setName("in").setDigest(inside))
                .build());
    ActionResult result =
        actions.ran(
            actions.make(
                Actions.shell(
                        "cp ../../in a/b/file && mkdir -p d/e && cp ../../in d/e/f && ln -s x l")
                    .setWorkingDirectory("work/here")
                    .addOutputPaths("a/b/file")
                    .addOutputPaths("d")
                    .addOutputPaths("l")
                    .addOutputPaths("not/made"),
                root,
                Action.getDefaultInstance()));
    require(result.getExitCode() == 0, "the action failed: " + result);
    require(
        result.getOutputFilesCount() == 1
            && result.getOutputFiles(0).getPath().equals("a/b/file")
            && result.getOutputFiles(0).getDigest().equals(inside),
        "the file is not as it should be: " + result.getOutputFilesList());
    require(
        result.getOutputDirectoriesCount() == 1
            && result.getOutputDirectories(0).getPath().equals("d"),
        "the directory is not as it should be: " + result.getOutputDirectoriesList());
    require(
        result.getOutputSymlinksCount() == 1 && result.getOutputSymlinks(0).getTarget().equals("x"),
        "the link is not as it should be: " + result.getOutputSymlinksList());
  }

  @SuppressWarnings("deprecation") // what those clients send
  private static void oldOutputs(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    ActionResult result =
        actions.ran(
            actions.make(
                Actions.shell("echo x > a/file; mkdir -p d; echo y > d/f " + actions.unseen())
                    .addOutputFiles("a/file")
                    .addOutputDirectories("d")));
    require(
        result.getOutputFilesCount() == 1 && result.getOutputDirectoriesCount() == 1,
        "some outputs are absent: " + result);
  }

  private static void tree(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    ActionResult result =
        actions.ran(
            actions.make(
                Actions.shell(
                        "mkdir -p d/sub; echo b > d/b; cp d/b d/a; cp d/b d/sub/c "
                            + actions.unseen())
                    .addOutputPaths("d")));
    OutputDirectory directory = result.getOutputDirectories(0);
    Tree tree = Tree.parseFrom(server.read(directory.getTreeDigest()).getData());
    require(
        tree.getRoot().getFilesList().stream()
            .map(FileNode::getName)
            .toList()
            .equals(List.of("a", "b")),
        "the tree's files are not sorted: " + tree.getRoot());
    require(
        tree.getChildrenCount() == 1
            && digest(tree.getChildren(0).toByteString())
                .equals(tree.getRoot().getDirectories(0).getDigest()),
        "the tree's children are not what its root names");
    require(
        server.has(tree.getChildren(0).getFiles(0).getDigest()),
        "a file of the tree is not in the store");
  }

  private static void rootOfDirectory(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    ActionResult result =
        actions.ran(
            actions.make(
                Actions.shell("mkdir -p d/sub; echo c > d/sub/c " + actions.unseen())
                    .addOutputPaths("d")
                    .setOutputDirectoryFormat(Command.OutputDirectoryFormat.DIRECTORY_ONLY)));
    Digest root = result.getOutputDirectories(0).getRootDirectoryDigest();
    require(!root.getHash().isEmpty(), "there is no root_directory_digest: " + result);
    Directory directory = Directory.parseFrom(server.read(root).getData());
    require(
        server.has(directory.getDirectories(0).getDigest()),
        "a directory below it is not in the store");
  }

  private static void modeAndStreams(Subject server) throws Exception {
    Actions actions = Actions.thatRun(server);
    ActionResult result =
        actions.ran(
            actions.make(
                Actions.shell(
                        "echo out; echo err >&2; echo x > run; chmod +x run; echo x > not "
                            + actions.unseen())
                    .addOutputPaths("run")
                    .addOutputPaths("not")));
    for (OutputFile file : result.getOutputFilesList()) {
      require(
          file.getIsExecutable() == file.getPath().equals("run"),
          file.getPath() + " has the wrong mode");
    }
    require(actions.printed(result).toStringUtf8().equals("out\n"), "stdout is something else");
  }
}
