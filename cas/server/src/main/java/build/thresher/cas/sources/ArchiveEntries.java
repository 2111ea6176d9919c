package build.thresher.cas.sources;

import build.thresher.cas.client.HeaderLimit;
import build.thresher.cas.sources.FetchException.Reason;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorInputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;
import org.apache.commons.compress.compressors.zstandard.ZstdCompressorInputStream;

/**
 * The entries of an archive, one after the other: tar, plain or compressed with gzip, bzip2, xz or
 * zstd, and zip. What it is says its content, not its name. Refuses entries that are no file,
 * directory or link, and headers that do not end. Used by one thread.
 */
final class ArchiveEntries {
  /** The most that {@code xz -9} asks for is 65 MiB. */
  private static final int XZ_MEMORY_KIB = 100 << 10;

  private ArchiveEntries() {}

  /** Takes the entries; paths are as the archive has them. */
  interface Visitor {
    void directory(String path) throws IOException;

    void file(String path, boolean executable, InputStream content) throws IOException;

    void symbolicLink(String path, String target) throws IOException;

    void hardLink(String path, String existing) throws IOException;
  }

  /**
   * @throws FetchException when it is no archive or a broken one, or the visitor refuses it
   */
  static void visit(Path archive, Visitor visitor) throws IOException {
    try {
      if (isZip(archive)) {
        visitZip(archive, visitor);
      } else {
        visitTar(archive, visitor);
      }
    } catch (FetchException | UncheckedIOException e) {
      throw e; // The visitor's.
    } catch (IOException | RuntimeException e) {
      // Decompressors index their tables with what they read, unchecked.
      throw new FetchException(
          Reason.WRONG_CONTENT, "it is no archive, or a broken one: " + e.getMessage(), e);
    }
  }

  private static boolean isZip(Path archive) throws IOException {
    try (InputStream in = Files.newInputStream(archive)) {
      String start = new String(in.readNBytes(4), StandardCharsets.ISO_8859_1);
      return start.equals("PK\3\4") || start.equals("PK\5\6");
    }
  }

  private static void visitZip(Path archive, Visitor visitor) throws IOException {
    try (ZipFile zip = ZipFile.builder().setPath(archive).get()) {
      for (ZipArchiveEntry entry : Collections.list(zip.getEntries())) {
        String name = entry.getName();
        if (!zip.canReadEntryData(entry)) {
          throw refused(name, "is encrypted or compressed in an unknown way");
        }
        int mode = entry.getUnixMode();
        if (entry.isDirectory()) {
          visitor.directory(name);
        } else if (entry.isUnixSymlink()) {
          try (InputStream target = zip.getInputStream(entry)) {
            byte[] bytes = target.readNBytes(ArchiveTree.MAX_PATH + 1);
            visitor.symbolicLink(name, new String(bytes, StandardCharsets.UTF_8));
          }
        } else if ((mode & 0170000) == 0100000 || (mode & 0170000) == 0) {
          try (InputStream content = zip.getInputStream(entry)) {
            visitor.file(name, (mode & 0111) != 0, content);
          }
        } else {
          throw refused(name, "is neither file, directory nor link");
        }
      }
    }
  }

  private static void visitTar(Path archive, Visitor visitor) throws IOException {
    try (InputStream file = new BufferedInputStream(Files.newInputStream(archive), 1 << 16);
        HeaderLimit limit = new HeaderLimit(decompressed(file));
        TarArchiveInputStream tar = new TarArchiveInputStream(limit, "UTF-8")) {
      for (TarArchiveEntry entry = limit.next(tar::getNextEntry);
          entry != null;
          entry = limit.next(tar::getNextEntry)) {
        String name = entry.getName();
        if (!entry.isCheckSumOK()) {
          throw refused(name, "has a header with a wrong checksum");
        } else if (entry.isDirectory()) {
          visitor.directory(name);
        } else if (entry.isSymbolicLink()) {
          visitor.symbolicLink(name, entry.getLinkName());
        } else if (entry.isLink()) {
          visitor.hardLink(name, entry.getLinkName());
        } else if (isPlainFile(entry)) {
          visitor.file(name, (entry.getMode() & 0111) != 0, tar);
        } else {
          throw refused(name, "is neither file, directory nor link, or a sparse file");
        }
        // What the visitor left, so that only headers are between this entry and the next.
        tar.transferTo(OutputStream.nullOutputStream());
      }
    }
  }

  /** The library calls whatever is no directory a file. */
  private static boolean isPlainFile(TarArchiveEntry entry) {
    byte type = entry.getLinkFlag();
    boolean plain =
        type == TarConstants.LF_NORMAL
            || type == TarConstants.LF_OLDNORM
            || type == TarConstants.LF_CONTIG;
    return plain && !entry.isSparse();
  }

  private static FetchException refused(String name, String why) {
    return new FetchException(Reason.WRONG_CONTENT, "the entry `" + name + "` " + why);
  }

  private static InputStream decompressed(InputStream in) throws IOException {
    in.mark(6);
    String start = new String(in.readNBytes(6), StandardCharsets.ISO_8859_1);
    in.reset();
    if (start.startsWith("\u001f\u008b")) {
      return GzipCompressorInputStream.builder()
          .setInputStream(in)
          .setDecompressConcatenated(true)
          .get();
    }
    if (start.startsWith("BZh")) {
      return new BZip2CompressorInputStream(in, true);
    }
    if (start.equals("\u00fd7zXZ\0")) {
      return XZCompressorInputStream.builder()
          .setInputStream(in)
          .setDecompressConcatenated(true)
          .setMemoryLimitKiB(XZ_MEMORY_KIB)
          .get();
    }
    return start.startsWith("(\u00b5/\u00fd") ? new ZstdCompressorInputStream(in) : in;
  }
}
