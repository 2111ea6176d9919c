package build.thresher.cas.client;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.SymlinkNode;
import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Files of this machine as a canonical Merkle tree: what the store would hold of them, and under
 * which names. The same files give the same root on every machine: names are sorted and unique, and
 * of the mode only the executable bit counts.
 *
 * <p>Files are hashed when they are added and read again when they are uploaded; a file that
 * changed in between fails its upload. Immutable; the builder is used by one thread.
 */
public final class LocalTree {
  private final Digest root;
  private final Map<Digest, Content> contents;

  private LocalTree(Digest root, Map<Digest, Content> contents) {
    this.root = root;
    this.contents = Collections.unmodifiableMap(contents);
  }

  /** Where the bytes of a blob are. */
  public sealed interface Content {
    /** A file to be read when it is needed. */
    record InFile(Path file) implements Content {}

    /** In memory; nobody changes the array. */
    @SuppressWarnings("ArrayRecordComponent") // compared by the digest it stands under
    record InMemory(byte[] bytes) implements Content {}
  }

  /** Digest of the root Directory. */
  public Digest root() {
    return root;
  }

  /** Every distinct blob of the tree: files and Directory messages. */
  public Map<Digest, Content> contents() {
    return contents;
  }

  public static Builder builder() {
    return new Builder(LocalTree::hash);
  }

  /** A builder that asks somebody else for the digests of files. */
  public static Builder builder(FileHasher hasher) {
    return new Builder(hasher);
  }

  /** Says what a file's content is. */
  @FunctionalInterface
  public interface FileHasher {
    Digest hash(Path file) throws IOException;
  }

  /** Reads a whole file. */
  public static Digest hash(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file);
        DigestInputStream hashing = new DigestInputStream(in, Digest.sha256())) {
      byte[] buffer = new byte[64 << 10];
      long size = 0;
      for (int n = hashing.read(buffer); n >= 0; n = hashing.read(buffer)) {
        size += n;
      }
      return Digest.fromHash(hashing.getMessageDigest().digest(), size);
    }
  }

  /**
   * A directory with all that is below it and accepted. Symbolic links are taken as links.
   *
   * @param include asked for every entry but {@code dir} itself; a refused directory is not entered
   * @throws IOException when something cannot be read or is neither file, directory nor link
   */
  public static LocalTree scan(Path dir, Predicate<Path> include) throws IOException {
    return builder().addTree("", dir, include).build();
  }

  /** Collects a tree. A path is relative, with '/' between its names. */
  public static final class Builder {
    private final DirectoryBuilder top = new DirectoryBuilder();
    private final Map<Digest, Content> contents = new LinkedHashMap<>();

    private final FileHasher hasher;

    private Builder(FileHasher hasher) {
      this.hasher = hasher;
    }

    /** Adds a regular file of this machine, hashing it now. Links are followed. */
    public Builder addFile(String path, Path file, boolean executable) throws IOException {
      Digest digest = hasher.hash(file);
      place(path, new Node.OfFile(digest, executable));
      contents.putIfAbsent(digest, new Content.InFile(file));
      return this;
    }

    /** Adds a file that is given here. The array is kept. */
    public Builder addBytes(String path, byte[] bytes, boolean executable) {
      Digest digest = Digest.of(bytes);
      place(path, new Node.OfFile(digest, executable));
      contents.putIfAbsent(digest, new Content.InMemory(bytes));
      return this;
    }

    /** Adds a symbolic link; its target is not looked at. */
    public Builder addSymlink(String path, String target) {
      if (target.isEmpty() || target.indexOf(0) >= 0) {
        throw new IllegalArgumentException("the link " + path + " has no valid target");
      }
      place(path, new Node.OfLink(target));
      return this;
    }

    /** Adds a directory, which may be there already. */
    public Builder addDirectory(String path) {
      if (!path.isEmpty()) {
        directory(path);
      }
      return this;
    }

    /** Adds all that {@link LocalTree#scan} would find, below a path ("" for the root). */
    public Builder addTree(String path, Path dir, Predicate<Path> include) throws IOException {
      addDirectory(path);
      try (Stream<Path> listing = Files.list(dir)) {
        for (Path entry : (Iterable<Path>) listing::iterator) {
          if (include.test(entry)) {
            String name = entry.getFileName().toString();
            addEntry(path.isEmpty() ? name : path + "/" + name, entry, include);
          }
        }
      }
      return this;
    }

    private void addEntry(String path, Path entry, Predicate<Path> include) throws IOException {
      if (Files.isSymbolicLink(entry)) {
        addSymlink(path, Files.readSymbolicLink(entry).toString());
      } else if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
        addTree(path, entry, include);
      } else if (Files.isRegularFile(entry, LinkOption.NOFOLLOW_LINKS)) {
        addFile(path, entry, Files.isExecutable(entry));
      } else {
        throw new IOException(
            entry + " is neither a file nor a directory nor a symbolic link; leave it out");
      }
    }

    public LocalTree build() {
      Map<Digest, Content> all = new LinkedHashMap<>(contents);
      return new LocalTree(top.seal(all), all);
    }

    private void place(String path, Node node) {
      int slash = path.lastIndexOf('/');
      String name = TreeNames.check(path.substring(slash + 1));
      DirectoryBuilder parent = slash < 0 ? top : directory(path.substring(0, slash));
      if (parent.nodes.putIfAbsent(name, node) != null) {
        throw new IllegalArgumentException("the tree has two entries named " + path);
      }
    }

    private DirectoryBuilder directory(String path) {
      DirectoryBuilder at = top;
      for (String name : TreeNames.split(path)) {
        Node node = at.nodes.computeIfAbsent(name, n -> new DirectoryBuilder());
        if (!(node instanceof DirectoryBuilder next)) {
          throw new IllegalArgumentException(
              path + " cannot be a directory: the tree has something else at " + name);
        }
        at = next;
      }
      return at;
    }
  }

  private sealed interface Node {
    record OfFile(Digest digest, boolean executable) implements Node {}

    record OfLink(String target) implements Node {}
  }

  private static final class DirectoryBuilder implements Node {
    final Map<String, Node> nodes = new TreeMap<>(TreeNames.CANONICAL_ORDER);

    Digest seal(Map<Digest, Content> contents) {
      Directory.Builder message = Directory.newBuilder();
      nodes.forEach(
          (name, node) -> {
            switch (node) {
              case OfFile file ->
                  message.addFiles(
                      FileNode.newBuilder()
                          .setName(name)
                          .setDigest(WireDigests.toWire(file.digest()))
                          .setIsExecutable(file.executable()));
              case OfLink link ->
                  message.addSymlinks(
                      SymlinkNode.newBuilder().setName(name).setTarget(link.target()));
              case DirectoryBuilder child ->
                  message.addDirectories(
                      DirectoryNode.newBuilder()
                          .setName(name)
                          .setDigest(WireDigests.toWire(child.seal(contents))));
            }
          });
      byte[] bytes = message.build().toByteArray();
      Digest digest = Digest.of(bytes);
      contents.putIfAbsent(digest, new Content.InMemory(bytes));
      return digest;
    }
  }
}
