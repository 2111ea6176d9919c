package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Digest;
import com.google.protobuf.Timestamp;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;

/** Writes directories of an input tree: names, links, properties. Files are placed by another. */
final class RootWriter {
  private final InputTree tree;
  private final Owner owner;
  private final Placer placer;

  /** Brings one file to its place. */
  interface Placer {
    void place(FileKey key, Path at) throws IOException;
  }

  RootWriter(InputTree tree, Owner owner, Placer placer) {
    this.tree = tree;
    this.owner = owner;
    this.placer = placer;
  }

  /** Writes all of a directory into one that exists and is empty. */
  void fill(Digest digest, Path at) throws IOException {
    Directory directory = tree.directory(digest);
    for (FileNode file : directory.getFilesList()) {
      file(file, at);
    }
    for (SymlinkNode link : directory.getSymlinksList()) {
      link(link, at);
    }
    for (DirectoryNode child : directory.getDirectoriesList()) {
      fill(InputTree.digest(child.getDigest()), owner.directory(at.resolve(child.getName())));
    }
    properties(directory, at);
  }

  void file(FileNode file, Path in) throws IOException {
    placer.place(FileKey.of(file), in.resolve(file.getName()));
  }

  void link(SymlinkNode link, Path in) throws IOException {
    Path path = in.resolve(link.getName());
    Files.createSymbolicLink(path, Path.of(link.getTarget()));
    owner.own(path);
  }

  /** After all that is in it, which would change the time again. */
  static void properties(Directory directory, Path at) throws IOException {
    if (directory.getNodeProperties().hasUnixMode()) {
      int mode = directory.getNodeProperties().getUnixMode().getValue();
      Files.setPosixFilePermissions(at, FileFetcher.permissions((mode & 0777) | 0700));
    }
    if (directory.getNodeProperties().hasMtime()) {
      Timestamp mtime = directory.getNodeProperties().getMtime();
      Files.setLastModifiedTime(
          at, FileTime.from(Instant.ofEpochSecond(mtime.getSeconds(), mtime.getNanos())));
    }
  }
}
