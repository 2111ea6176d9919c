package build.thresher.executor.action;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command.OutputDirectoryFormat;
import build.bazel.remote.execution.v2.OutputDirectory;
import build.bazel.remote.execution.v2.OutputFile;
import build.bazel.remote.execution.v2.OutputSymlink;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree.Content;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.action.ActionCommand.Expected;
import build.thresher.executor.action.ActionCommand.Output;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Collects what an action made at the paths that its command names. Links are taken as links and
 * never followed; what is not there is left out, as the interface wants it. Used by one thread,
 * after the last process of the action.
 */
final class Outputs {
  private final Path root;
  private final ActionCommand command;
  private final NodeReader nodes;
  private final Map<Digest, Content> contents = new LinkedHashMap<>();

  Outputs(Path root, ActionCommand command) {
    this.root = root;
    this.command = command;
    this.nodes = new NodeReader(command.recordMtime(), command.recordMode(), contents);
  }

  /** Every blob that the result names, once {@link #collect} has run. */
  Map<Digest, Content> contents() {
    return contents;
  }

  /**
   * Fills in the outputs, sorted by path.
   *
   * @throws RefusedActionException when an output is nothing that can be stored
   */
  void collect(ActionResult.Builder result) throws IOException {
    List<Output> sorted =
        command.outputs().stream().distinct().sorted(Comparator.comparing(Output::path)).toList();
    for (Output output : sorted) {
      Optional<OutputPaths.Found> found = OutputPaths.find(root, output.place());
      if (found.isPresent()) {
        add(result, output, found.get());
      }
    }
  }

  private void add(ActionResult.Builder result, Output output, OutputPaths.Found found)
      throws IOException {
    if (found.attributes().isSymbolicLink()) {
      addSymlink(result, output, found.path());
    } else if (found.attributes().isDirectory()) {
      require(output, Expected.DIRECTORY, "a directory");
      result.addOutputDirectories(directory(output.path(), found.path()));
    } else if (found.attributes().isRegularFile()) {
      require(output, Expected.FILE, "a file");
      result.addOutputFiles(file(output.path(), found.path()));
    } else {
      throw new RefusedActionException(
          "the output " + output.path() + " is neither a file, a directory nor a symbolic link");
    }
  }

  private static void require(Output output, Expected kind, String found)
      throws RefusedActionException {
    if (output.expected() != Expected.ANYTHING && output.expected() != kind) {
      throw new RefusedActionException(
          "the output "
              + output.path()
              + " is "
              + found
              + ", which is not what the command declares it to be");
    }
  }

  /** Clients before API 2.1 look for links by the kind of what they point to. */
  @SuppressWarnings("deprecation") // those clients read nothing else
  private void addSymlink(ActionResult.Builder result, Output output, Path path)
      throws IOException {
    OutputSymlink.Builder link =
        OutputSymlink.newBuilder()
            .setPath(output.path())
            .setTarget(Files.readSymbolicLink(path).toString());
    nodes.properties(path).ifPresent(link::setNodeProperties);
    result.addOutputSymlinks(link);
    if (output.expected() == Expected.FILE) {
      result.addOutputFileSymlinks(link);
    } else if (output.expected() == Expected.DIRECTORY) {
      result.addOutputDirectorySymlinks(link);
    }
  }

  private OutputFile file(String name, Path path) throws IOException {
    OutputFile.Builder file =
        OutputFile.newBuilder()
            .setPath(name)
            .setDigest(WireDigests.toWire(nodes.file(path)))
            .setIsExecutable(NodeReader.executable(path));
    nodes.properties(path).ifPresent(file::setNodeProperties);
    return file.build();
  }

  private OutputDirectory directory(String name, Path path) throws IOException {
    OutputTree tree = OutputTree.read(path, nodes);
    OutputDirectory.Builder directory = OutputDirectory.newBuilder().setPath(name);
    if (command.format() != OutputDirectoryFormat.DIRECTORY_ONLY) {
      byte[] bytes = tree.message().toByteArray();
      Digest digest = Digest.of(bytes);
      contents.put(digest, new Content.InMemory(bytes));
      directory.setTreeDigest(WireDigests.toWire(digest)).setIsTopologicallySorted(true);
    }
    if (command.format() != OutputDirectoryFormat.TREE_ONLY) {
      tree.directories().forEach((d, bytes) -> contents.put(d, new Content.InMemory(bytes)));
      directory.setRootDirectoryDigest(WireDigests.toWire(tree.root()));
    }
    return directory.build();
  }
}
