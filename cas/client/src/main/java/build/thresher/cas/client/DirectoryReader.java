package build.thresher.cas.client;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Digest;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/** Parses a Directory message and refuses one that is not canonical. */
public final class DirectoryReader {
  private DirectoryReader() {}

  /**
   * @throws TreeFormatException saying what is wrong
   */
  public static Directory parse(Digest digest, byte[] bytes) throws TreeFormatException {
    try {
      Directory directory = Directory.parseFrom(bytes);
      Set<String> names = new HashSet<>();
      check(directory.getFilesList(), FileNode::getName, names);
      check(directory.getDirectoriesList(), DirectoryNode::getName, names);
      check(directory.getSymlinksList(), SymlinkNode::getName, names);
      for (SymlinkNode link : directory.getSymlinksList()) {
        if (link.getTarget().isEmpty() || link.getTarget().indexOf(0) >= 0) {
          throw new IllegalArgumentException("the link " + link.getName() + " has no valid target");
        }
      }
      return directory;
    } catch (InvalidProtocolBufferException e) {
      throw new TreeFormatException("blob " + digest + " is not a Directory", e);
    } catch (IllegalArgumentException e) {
      throw new TreeFormatException("directory " + digest + ": " + e.getMessage(), e);
    }
  }

  private static <T> void check(List<T> nodes, Function<T, String> nameOf, Set<String> names) {
    String last = null;
    for (T node : nodes) {
      String name = TreeNames.check(nameOf.apply(node));
      if (!names.add(name)) {
        throw new IllegalArgumentException("two entries are named '" + name + "'");
      }
      if (last != null && TreeNames.CANONICAL_ORDER.compare(last, name) >= 0) {
        throw new IllegalArgumentException("'" + name + "' stands after '" + last + "'; sort");
      }
      last = name;
    }
  }
}
