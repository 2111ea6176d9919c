package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.bazel.remote.execution.v2.Tree;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A directory that an action made, as canonical messages: entries sorted by the bytes of their
 * names, equal directories once, parents before children. Refuses what has no place in them, and
 * trees without measure. Immutable.
 */
final class OutputTree {
  private static final int MAX_DEPTH = 200;
  private static final int MAX_ENTRIES = 1_000_000;

  private final NodeReader nodes;
  private final Map<Digest, byte[]> bytes = new LinkedHashMap<>();
  private final Map<Digest, Directory> childrenFirst = new LinkedHashMap<>();
  private int entries;

  private OutputTree(NodeReader nodes) {
    this.nodes = nodes;
  }

  /**
   * Reads all below a directory; files are hashed by the reader.
   *
   * @throws RefusedActionException when something in it cannot be stored
   */
  static OutputTree read(Path directory, NodeReader nodes) throws IOException {
    OutputTree tree = new OutputTree(nodes);
    tree.add(directory, 0);
    return tree;
  }

  /** Digest of the root Directory. */
  Digest root() {
    return new ArrayList<>(childrenFirst.keySet()).getLast();
  }

  /** Every Directory message, encoded. */
  Map<Digest, byte[]> directories() {
    return bytes;
  }

  /** All in one message. Of a tree in which children stand first, the reverse has parents first. */
  Tree message() {
    List<Directory> parentsFirst = new ArrayList<>(childrenFirst.values()).reversed();
    return Tree.newBuilder()
        .setRoot(parentsFirst.getFirst())
        .addAllChildren(parentsFirst.subList(1, parentsFirst.size()))
        .build();
  }

  private Digest add(Path path, int depth) throws IOException {
    if (depth > MAX_DEPTH) {
      throw new RefusedActionException(
          "an output directory is more than " + MAX_DEPTH + " directories deep");
    }
    Directory.Builder directory = Directory.newBuilder();
    for (Path child : children(path)) {
      String name = String.valueOf(child.getFileName());
      BasicFileAttributes attributes =
          Files.readAttributes(child, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      if (attributes.isSymbolicLink()) {
        SymlinkNode.Builder link =
            SymlinkNode.newBuilder()
                .setName(name)
                .setTarget(Files.readSymbolicLink(child).toString());
        nodes.properties(child).ifPresent(link::setNodeProperties);
        directory.addSymlinks(link);
      } else if (attributes.isDirectory()) {
        directory.addDirectories(
            DirectoryNode.newBuilder()
                .setName(name)
                .setDigest(WireDigests.toWire(add(child, depth + 1))));
      } else if (attributes.isRegularFile()) {
        FileNode.Builder file =
            FileNode.newBuilder()
                .setName(name)
                .setDigest(WireDigests.toWire(nodes.file(child)))
                .setIsExecutable(NodeReader.executable(child));
        nodes.properties(child).ifPresent(file::setNodeProperties);
        directory.addFiles(file);
      } else {
        throw new RefusedActionException(
            "an output directory holds \""
                + name
                + "\", which is neither a file, a directory nor a symbolic link");
      }
    }
    nodes.properties(path).ifPresent(directory::setNodeProperties);
    Directory message = directory.build();
    byte[] encoded = message.toByteArray();
    Digest digest = Digest.of(encoded);
    bytes.putIfAbsent(digest, encoded);
    childrenFirst.putIfAbsent(digest, message);
    return digest;
  }

  private List<Path> children(Path directory) throws IOException {
    List<Path> children;
    try (Stream<Path> listing = Files.list(directory)) {
      children = listing.limit(MAX_ENTRIES + 1L).sorted().toList();
    }
    entries += children.size();
    if (entries > MAX_ENTRIES) {
      throw new RefusedActionException(
          "an output directory has more than " + MAX_ENTRIES + " entries");
    }
    return children;
  }
}
