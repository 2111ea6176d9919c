package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Digest;
import com.google.protobuf.MessageLite;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What has to be laid over one input root to make it look like another. Equal directories are
 * skipped by their digests, so the work is in proportion to the difference.
 */
final class RootDifference {
  private final InputTree base;
  private final InputTree wanted;
  private final long limit;
  private long cost;

  /** Makes the difference real. */
  interface Layer {
    /** A name of the base that is not wanted. */
    void hide(Path at) throws IOException;
  }

  private RootDifference(InputTree base, InputTree wanted, long limit) {
    this.base = base;
    this.wanted = wanted;
    this.limit = limit;
  }

  /** Names that would have to be written; more than the limit when it is not worth the count. */
  static long cost(InputTree base, InputTree wanted, long limit) throws IOException {
    RootDifference difference = new RootDifference(base, wanted, limit);
    difference.count(base.root(), wanted.root());
    return difference.cost;
  }

  private void count(Digest from, Digest to) throws IOException {
    if (from.equals(to) || cost > limit) {
      return;
    }
    cost++;
    Entries old = Entries.of(base.directory(from));
    Directory directory = wanted.directory(to);
    for (FileNode file : directory.getFilesList()) {
      cost += old.holds(file.getName(), file) ? 0 : 1;
    }
    for (SymlinkNode link : directory.getSymlinksList()) {
      cost += old.holds(link.getName(), link) ? 0 : 1;
    }
    for (DirectoryNode child : directory.getDirectoriesList()) {
      Digest digest = InputTree.digest(child.getDigest());
      if (old.node(child.getName()) instanceof DirectoryNode before) {
        count(InputTree.digest(before.getDigest()), digest);
      } else {
        cost += wanted.entries(digest);
      }
      if (cost > limit) {
        return;
      }
    }
    cost += old.without(directory).size();
  }

  /** Writes the difference into an empty directory. */
  static void write(
      InputTree base, InputTree wanted, Path into, RootWriter writer, Owner owner, Layer layer)
      throws IOException {
    write(base, wanted, base.root(), wanted.root(), into, writer, owner, layer);
  }

  private static void write(
      InputTree base,
      InputTree wanted,
      Digest from,
      Digest to,
      Path at,
      RootWriter writer,
      Owner owner,
      Layer layer)
      throws IOException {
    Entries old = Entries.of(base.directory(from));
    Directory directory = wanted.directory(to);
    for (FileNode file : directory.getFilesList()) {
      if (!old.holds(file.getName(), file)) {
        writer.file(file, at);
      }
    }
    for (SymlinkNode link : directory.getSymlinksList()) {
      if (!old.holds(link.getName(), link)) {
        writer.link(link, at);
      }
    }
    for (DirectoryNode child : directory.getDirectoriesList()) {
      Digest digest = InputTree.digest(child.getDigest());
      Path path = at.resolve(child.getName());
      if (!(old.node(child.getName()) instanceof DirectoryNode before)) {
        writer.fill(digest, owner.directory(path));
      } else if (!before.getDigest().equals(child.getDigest())) {
        write(
            base,
            wanted,
            InputTree.digest(before.getDigest()),
            digest,
            owner.directory(path),
            writer,
            owner,
            layer);
      }
    }
    for (String name : old.without(directory)) {
      layer.hide(at.resolve(name));
    }
    RootWriter.properties(directory, at);
  }

  /** The entries of a directory by name. */
  private record Entries(Map<String, MessageLite> nodes) {
    static Entries of(Directory directory) {
      Map<String, MessageLite> nodes = new HashMap<>();
      directory.getFilesList().forEach(file -> nodes.put(file.getName(), file));
      directory.getSymlinksList().forEach(link -> nodes.put(link.getName(), link));
      directory.getDirectoriesList().forEach(child -> nodes.put(child.getName(), child));
      return new Entries(nodes);
    }

    @org.jspecify.annotations.Nullable
    MessageLite node(String name) {
      return nodes.get(name);
    }

    boolean holds(String name, MessageLite node) {
      return node.equals(nodes.get(name));
    }

    Set<String> without(Directory directory) {
      Set<String> rest = new HashSet<>(nodes.keySet());
      directory.getFilesList().forEach(file -> rest.remove(file.getName()));
      directory.getSymlinksList().forEach(link -> rest.remove(link.getName()));
      directory.getDirectoriesList().forEach(child -> rest.remove(child.getName()));
      return rest;
    }
  }
}
