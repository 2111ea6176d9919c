package build.thresher.executor.inputs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Good archives come out as they went in; every kind of bad one is refused. */
final class ArchiveExtractorTest {
  private static final String PREFIX = "/store/pad/linux-x86_64/zlib-1.3-abc";
  private static final String IN = PREFIX.substring(1);

  private final Path target;
  private final Path outside;

  ArchiveExtractorTest(@TempDir Path temporary) throws IOException {
    target = Files.createDirectory(temporary.resolve("target"));
    outside = Files.createDirectory(temporary.resolve("outside"));
  }

  /** One entry: type flag, name, mode, content or link target. */
  record Entry(byte type, String name, int mode, String text) {
    static Entry file(String name, String text) {
      return new Entry(TarConstants.LF_NORMAL, name, 0644, text);
    }

    static Entry directory(String name) {
      return new Entry(TarConstants.LF_DIR, name + "/", 0755, "");
    }

    static Entry link(String name, String to) {
      return new Entry(TarConstants.LF_SYMLINK, name, 0777, to);
    }

    static Entry hardLink(String name, String to) {
      return new Entry(TarConstants.LF_LINK, name, 0644, to);
    }

    static Entry special(byte type, String name) {
      return new Entry(type, name, 0644, "");
    }
  }

  private static byte[] archive(List<Entry> entries) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (TarArchiveOutputStream tar =
        new TarArchiveOutputStream(new GzipCompressorOutputStream(bytes))) {
      tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
      for (Entry entry : entries) {
        TarArchiveEntry header = new TarArchiveEntry(entry.name(), entry.type(), true);
        header.setMode(entry.mode());
        boolean isFile = entry.type() == TarConstants.LF_NORMAL;
        byte[] text = entry.text().getBytes(StandardCharsets.UTF_8);
        if (isFile) {
          header.setSize(text.length);
        } else if (!entry.text().isEmpty()) {
          header.setLinkName(entry.text());
        }
        tar.putArchiveEntry(header);
        if (isFile) {
          tar.write(text);
        }
        tar.closeArchiveEntry();
      }
    }
    return bytes.toByteArray();
  }

  private void extract(List<Entry> entries) throws IOException {
    new ArchiveExtractor(PREFIX, target).extract(new ByteArrayInputStream(archive(entries)));
  }

  @Test
  void aPrefixComesOutAsItWentIn() throws Exception {
    extract(
        List.of(
            Entry.directory("store"),
            Entry.directory("store/pad"),
            Entry.directory(IN),
            Entry.link(IN + "/lib64", "lib"),
            Entry.directory(IN + "/lib"),
            Entry.file(IN + "/lib/libz.so.1", "elf"),
            Entry.hardLink(IN + "/lib/libz.so.1.3", IN + "/lib/libz.so.1"),
            Entry.link(IN + "/lib/absolute", "/usr/lib/x"),
            new Entry(TarConstants.LF_NORMAL, IN + "/bin/run", 0755, "#!"),
            new Entry(TarConstants.LF_NORMAL, IN + "/bin/setuid", 06755, "#!"),
            new Entry(TarConstants.LF_NORMAL, IN + "/secret", 0600, "s")));
    assertEquals("elf", Files.readString(target.resolve("lib/libz.so.1")));
    assertEquals(
        Files.getAttribute(target.resolve("lib/libz.so.1"), "unix:ino"),
        Files.getAttribute(target.resolve("lib/libz.so.1.3"), "unix:ino"));
    assertEquals(Path.of("lib"), Files.readSymbolicLink(target.resolve("lib64")));
    assertEquals("rwxr-xr-x", mode("bin/run"));
    assertEquals("rwxr-xr-x", mode("bin/setuid"));
    assertEquals("rw-r--r--", mode("secret"));
    assertEquals(0, (int) Files.getAttribute(target.resolve("bin/setuid"), "unix:mode") & 07000);
  }

  private String mode(String file) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(target.resolve(file)));
  }

  static Stream<Arguments> badArchives() {
    return Stream.of(
        bad("nothing at all"),
        bad("only parents", Entry.directory("store"), Entry.directory("store/pad")),
        bad("absolute name", Entry.file("/etc/passwd", "x")),
        bad("name with ..", Entry.file(IN + "/../../../../../outside/x", "x")),
        bad("directory with ..", Entry.directory(IN + "/..")),
        bad("name with .", Entry.file(IN + "/./x", "x")),
        bad("name with empty part", Entry.file(IN + "//x", "x")),
        bad("file beside the prefix", Entry.file("store/pad/other/x", "x")),
        bad("directory beside the prefix", Entry.directory("store/pad/other")),
        bad("prefix with longer name", Entry.file(IN + "-evil/x", "x")),
        bad("parent as link", Entry.link("store/pad", "/tmp")),
        bad("parent as file", Entry.file("store/pad", "x")),
        bad("prefix as file", Entry.file(IN, "x")),
        bad("prefix as link", Entry.link(IN, "/tmp")),
        bad(
            "write through a link",
            Entry.link(IN + "/d", "../outside"),
            Entry.file(IN + "/d/x", "x")),
        bad(
            "write through a link to a file",
            Entry.link(IN + "/f", "../outside/x"),
            Entry.file(IN + "/f", "x")),
        bad(
            "link over a directory",
            Entry.file(IN + "/d/x", "x"),
            Entry.link(IN + "/d", "../outside")),
        bad(
            "directory over a link",
            Entry.link(IN + "/d", "../outside"),
            Entry.directory(IN + "/d")),
        bad("link below a link", Entry.link(IN + "/d", "../outside"), Entry.link(IN + "/d/x", "y")),
        bad(
            "hard link below a link",
            Entry.file(IN + "/f", "x"),
            Entry.link(IN + "/d", "../outside"),
            Entry.hardLink(IN + "/d/x", IN + "/f")),
        bad("hard link out of the prefix", Entry.hardLink(IN + "/x", "etc/passwd")),
        bad("hard link to an absolute name", Entry.hardLink(IN + "/x", "/etc/passwd")),
        bad(
            "hard link to a later file",
            Entry.hardLink(IN + "/x", IN + "/y"),
            Entry.file(IN + "/y", "y")),
        bad(
            "hard link to a link",
            Entry.link(IN + "/y", "/etc/passwd"),
            Entry.hardLink(IN + "/x", IN + "/y")),
        bad(
            "hard link to a directory",
            Entry.directory(IN + "/y"),
            Entry.hardLink(IN + "/x", IN + "/y")),
        bad("the same file twice", Entry.file(IN + "/x", "1"), Entry.file(IN + "/x", "2")),
        bad("the same link twice", Entry.link(IN + "/x", "1"), Entry.link(IN + "/x", "2")),
        bad("file over directory", Entry.directory(IN + "/x"), Entry.file(IN + "/x", "2")),
        bad("directory over file", Entry.file(IN + "/x", "1"), Entry.directory(IN + "/x")),
        bad("character device", Entry.special(TarConstants.LF_CHR, IN + "/x")),
        bad("block device", Entry.special(TarConstants.LF_BLK, IN + "/x")),
        bad("pipe", Entry.special(TarConstants.LF_FIFO, IN + "/x")),
        bad("contiguous file", Entry.special(TarConstants.LF_CONTIG, IN + "/x")),
        bad("unknown kind", Entry.special((byte) 'Z', IN + "/x")),
        bad("very deep", Entry.file(IN + "/d".repeat(300) + "/x", "x")));
  }

  private static Arguments bad(String what, Entry... entries) {
    return Arguments.of(what, Arrays.asList(entries));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badArchives")
  void badArchivesAreRefusedAndWriteNothingOutside(String what, List<Entry> entries)
      throws Exception {
    assertThrows(ArchiveException.class, () -> extract(entries), what);
    assertFalse(Files.exists(outside.resolve("x"), LinkOption.NOFOLLOW_LINKS));
    try (Stream<Path> left = Files.list(outside)) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void aTruncatedArchiveIsAnError() throws Exception {
    byte[] whole = archive(List.of(Entry.file(IN + "/x", "x".repeat(100_000))));
    for (int length = 0; length < whole.length; length += 7) {
      byte[] part = Arrays.copyOf(whole, length);
      Path directory = Files.createTempDirectory(outside, "t");
      assertThrows(
          IOException.class,
          () -> new ArchiveExtractor(PREFIX, directory).extract(new ByteArrayInputStream(part)));
    }
    assertTrue(whole.length > 100);
  }
}
