package build.thresher.cas.sources;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.asset.v1.Qualifier;
import build.thresher.cas.api.DiskReserve;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;

/** What clients ask to be fetched, and archives that come from anywhere. */
class SourcesFuzzTest extends HostileBytes {
  private static final long MAX_BYTES = 4 << 20;

  @TempDir Path scratch;

  /** Decompressors have buffers of their own; that of xz is limited to 100 MiB. */
  @Override
  protected long maxAllocatedBytes(int length) {
    return (256L << 20) + 1_000L * length;
  }

  /** Each line is a name and a value. */
  @Hostile
  void qualifiersAreRefusedInWordsOrOfOneMeaning(byte[] utf8) {
    List<Qualifier> list = new ArrayList<>();
    for (String line : new String(utf8, StandardCharsets.UTF_8).lines().toList()) {
      int equals = Math.max(0, line.indexOf('='));
      list.add(
          Qualifier.newBuilder()
              .setName(line.substring(0, equals))
              .setValue(line.substring(Math.min(line.length(), equals + 1)))
              .build());
    }
    try {
      Qualifiers read = Qualifiers.parse(list);
      assertEquals(read.ofAssets(), Qualifiers.parse(list.reversed()).ofAssets());
    } catch (IllegalArgumentException e) {
      assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
    }
  }

  @Hostile
  void checksumsAreRefusedOrTheSameWrittenAgain(byte[] utf8) {
    Checksums read;
    try {
      read = Checksums.parse(new String(utf8, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      return;
    }
    assertTrue(read.toString().matches("sha(256|384|512)-[0-9a-f]+( sha[0-9]+-[0-9a-f]+)*"));
    assertEquals(read.sha256().size() == read.hashes().size(), read.isSha256Only());
  }

  /** What it unpacks to lies in the directory that is meant for it, and nothing else was made. */
  @Hostile
  void anArchiveIsRefusedInWordsOrATreeOfFilesAlone(byte[] bytes) throws IOException {
    Path box = Files.createTempDirectory(scratch, "box");
    Path archive = Files.write(box.resolve("archive"), bytes);
    Path files = Files.createDirectory(box.resolve("files"));
    ArchiveTree.Limits limits = new ArchiveTree.Limits(MAX_BYTES, 1_000, 20);
    try {
      var unused = new ArchiveTree(files, "", limits, new DiskReserve(scratch, 0)).read(archive);
    } catch (FetchException e) {
      assertTrue(e.getMessage() != null && !e.getMessage().isEmpty());
    }
    try (Stream<Path> outside = Files.list(box)) {
      assertEquals(List.of(archive, files), outside.sorted().toList());
    }
    try (Stream<Path> made = Files.list(files)) {
      made.forEach(
          file -> {
            assertTrue(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS), file.toString());
            assertTrue(file.getFileName().toString().matches("\\d+"), file.toString());
          });
    }
    MoreFiles.deleteRecursively(box, RecursiveDeleteOption.ALLOW_INSECURE);
  }
}
