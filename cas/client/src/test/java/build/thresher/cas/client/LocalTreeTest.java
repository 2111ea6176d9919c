package build.thresher.cas.client;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Directory;
import build.thresher.cas.api.Digest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LocalTreeTest {
  @TempDir Path dir;

  @Test
  void theOrderOfAddingDoesNotMatter() {
    LocalTree one =
        LocalTree.builder()
            .addBytes("b/x", "1".getBytes(UTF_8), false)
            .addSymlink("a", "b/x")
            .addDirectory("empty")
            .build();
    LocalTree two =
        LocalTree.builder()
            .addDirectory("empty")
            .addSymlink("a", "b/x")
            .addBytes("b/x", "1".getBytes(UTF_8), false)
            .build();
    assertEquals(one.root(), two.root());
  }

  @Test
  void aScanGivesTheSameRootAsTheBuilder() throws Exception {
    Files.createDirectories(dir.resolve("bin"));
    Files.writeString(dir.resolve("bin/tool"), "#!/bin/sh\n");
    assertTrue(dir.resolve("bin/tool").toFile().setExecutable(true));
    Files.writeString(dir.resolve("skip.pyc"), "junk");
    Files.createSymbolicLink(dir.resolve("link"), Path.of("bin/tool"));
    LocalTree built =
        LocalTree.builder()
            .addBytes("bin/tool", "#!/bin/sh\n".getBytes(UTF_8), true)
            .addSymlink("link", "bin/tool")
            .build();
    LocalTree scanned = LocalTree.scan(dir, p -> !p.toString().endsWith(".pyc"));
    assertEquals(built.root(), scanned.root());
    assertEquals(built.contents().keySet().size(), scanned.contents().size());
  }

  @Test
  void anEmptyTreeIsTheEmptyBlob() {
    assertEquals(Digest.EMPTY, LocalTree.builder().build().root());
  }

  @Test
  void namesAreSortedByCodePointNotByUtf16() throws Exception {
    LocalTree tree =
        LocalTree.builder()
            .addBytes("\uFF5E", new byte[0], false)
            .addBytes("\uD83D\uDE00", new byte[0], false)
            .build();
    LocalTree.Content.InMemory root =
        (LocalTree.Content.InMemory) Objects.requireNonNull(tree.contents().get(tree.root()));
    Directory directory = DirectoryReader.parse(tree.root(), root.bytes());
    assertEquals("\uFF5E", directory.getFiles(0).getName());
  }

  @Test
  void twoEntriesOfOneNameAreRefused() {
    LocalTree.Builder builder = LocalTree.builder().addBytes("a", new byte[0], false);
    assertThrows(IllegalArgumentException.class, () -> builder.addSymlink("a", "b"));
    assertThrows(IllegalArgumentException.class, () -> builder.addBytes("a/b", new byte[0], false));
  }

  @Test
  void pathsThatLeaveTheTreeAreRefused() {
    for (String path : new String[] {"", "/a", "a//b", "../a", "a/../b", "./a", "a/", "a\0b"}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> LocalTree.builder().addBytes(path, new byte[0], false),
          path);
    }
  }
}
