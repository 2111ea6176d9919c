package build.thresher.executor.images;

import build.thresher.cas.client.HeaderLimit;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream;
import org.apache.commons.compress.compressors.zstandard.ZstdCompressorInputStream;

/**
 * Writes the layers of an image, the lowest first, with the marks by which layers hide what is
 * below them. Device nodes, pipes and sockets are left out: the sandbox brings its own devices.
 * Used once, by one thread.
 */
final class Layers {
  private static final String MARK = ".wh.";
  private static final String OPAQUE = ".wh..wh..opq";

  private final Path root;
  private final RootTree tree;
  private final Limits limits;
  private long bytes;
  private long entries;

  /**
   * What an image may hold, unpacked.
   *
   * @param bytes of all files of all layers
   * @param entries of all layers
   */
  record Limits(long bytes, long entries) {
    static final Limits GENEROUS = new Limits(64L << 30, 4_000_000);
  }

  /**
   * @param root existing empty directory
   */
  Layers(Path root, Limits limits) {
    this.root = root;
    this.tree = new RootTree(root);
    this.limits = limits;
  }

  /** Writes one layer: a tar, plain or compressed with gzip or zstd. */
  void add(InputStream layer) throws IOException {
    tree.nextLayer();
    try (HeaderLimit limit = new HeaderLimit(decompressed(layer));
        TarArchiveInputStream tar = new TarArchiveInputStream(limit, "UTF-8")) {
      for (TarArchiveEntry e = limit.next(tar::getNextEntry);
          e != null;
          e = limit.next(tar::getNextEntry)) {
        bytes += Math.max(0, e.getSize());
        if (++entries > limits.entries() || bytes > limits.bytes()) {
          throw new ImageException(
              "the image has more than "
                  + limits.entries()
                  + " entries or "
                  + limits.bytes()
                  + " bytes");
        }
        entry(e, tar);
        // So that only headers are between this entry and the next.
        tar.transferTo(OutputStream.nullOutputStream());
      }
    } catch (InvalidPathException e) {
      throw new ImageException("a layer has a path that this machine cannot say: " + e.getInput());
    } catch (IllegalArgumentException e) {
      throw new ImageException("a layer is malformed: " + e.getMessage());
    }
  }

  private static InputStream decompressed(InputStream layer) throws IOException {
    BufferedInputStream in = new BufferedInputStream(layer, 1 << 16);
    in.mark(4);
    byte[] start = in.readNBytes(4);
    in.reset();
    if (start.length == 4 && (start[0] & 0xff) == 0x1f && (start[1] & 0xff) == 0x8b) {
      return GzipCompressorInputStream.builder()
          .setInputStream(in)
          .setDecompressConcatenated(true)
          .get();
    }
    boolean zstd = start.length == 4 && (start[0] & 0xff) == 0x28 && (start[1] & 0xff) == 0xb5;
    return zstd ? new ZstdCompressorInputStream(in) : in;
  }

  private void entry(TarArchiveEntry e, TarArchiveInputStream tar) throws IOException {
    List<String> names = RootTree.names(e.getName());
    String last = names.isEmpty() ? "" : names.getLast();
    if (last.equals(OPAQUE)) {
      tree.removeBelow(names.subList(0, names.size() - 1));
    } else if (last.startsWith(MARK + MARK)) {
      return; // What another file system wrote for itself.
    } else if (last.startsWith(MARK) && last.length() > MARK.length()) {
      List<String> hidden = new ArrayList<>(names);
      hidden.set(names.size() - 1, last.substring(MARK.length()));
      tree.remove(RootTree.names(String.join("/", hidden)));
    } else if (e.isDirectory()) {
      tree.directory(names);
    } else if (e.isSymbolicLink()) {
      tree.symbolicLink(names, e.getLinkName());
    } else if (e.isLink()) {
      tree.hardLink(names, RootTree.names(e.getLinkName()));
    } else if (e.isSparse()) {
      throw new ImageException("a layer has the sparse file \"" + e.getName() + "\"");
    } else if (!e.isCharacterDevice() && !e.isBlockDevice() && !e.isFIFO()) {
      tree.file(names, (e.getMode() & 0111) != 0, tar);
    }
  }

  /** Makes where the sandbox mounts things, which it cannot in a root that is read-only. */
  void mountPoints(List<String> directories) throws IOException {
    tree.nextLayer();
    for (String directory : directories) {
      tree.directory(RootTree.names(directory));
    }
    Path names = root.resolve("etc/resolv.conf");
    if (Files.isSymbolicLink(names)) {
      Files.delete(names); // It leads to a service of the machine that the image was made for.
    }
    if (!Files.exists(names, LinkOption.NOFOLLOW_LINKS)) {
      tree.file(List.of("etc", "resolv.conf"), false, InputStream.nullInputStream());
    }
  }
}
