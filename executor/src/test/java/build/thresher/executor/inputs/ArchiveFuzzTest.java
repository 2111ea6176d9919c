package build.thresher.executor.inputs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.io.TempDir;

/** Archives and texts that executors of other people may have made. */
class ArchiveFuzzTest extends HostileBytes {
  @TempDir Path scratch;

  @Override
  protected long maxAllocatedBytes(int length) {
    return (128L << 20) + 1_000L * length;
  }

  @Hostile
  void anArchiveIsRefusedOrStaysInItsDirectory(byte[] tar) throws IOException {
    ByteArrayOutputStream gzip = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(gzip)) {
      out.write(tar);
    }
    extract(gzip.toByteArray());
  }

  @Hostile
  void aGzipFileIsRefusedOrStaysInItsDirectory(byte[] gzip) throws IOException {
    extract(gzip);
  }

  private void extract(byte[] gzip) throws IOException {
    Path box = Files.createTempDirectory(scratch, "box");
    Path target = Files.createDirectory(box.resolve("target"));
    try {
      new ArchiveExtractor("/root/a", target).extract(new ByteArrayInputStream(gzip));
    } catch (IOException e) {
      // Of the archive, of the library or of the file system: the task fails with its message.
    } finally {
      try (Stream<Path> found = Files.list(box)) {
        assertEquals(List.of(target), found.toList(), "something outside");
      }
      try (Stream<Path> inside = Files.walk(target)) {
        inside.forEach(ArchiveFuzzTest::assertPlain);
      }
      MoreFiles.deleteRecursively(box, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private static void assertPlain(Path path) {
    assertTrue(
        Files.isSymbolicLink(path)
            || Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)
            || Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS),
        path.toString());
  }

  @Hostile
  void aPathIsRefusedOrPlain(byte[] utf8) {
    String text = new String(utf8, StandardCharsets.UTF_8);
    try {
      String path = "/" + Names.relativePath(text) + "/";
      assertFalse(path.contains("//") || path.contains("/./") || path.contains("/../"), path);
      assertTrue(path.indexOf('\0') < 0, path);
    } catch (IllegalArgumentException e) {
      return;
    }
  }
}
