package build.thresher.executor.inputs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Walks over what hostile builds leave. */
final class FileTreesTest {
  private final Path root;

  FileTreesTest(@TempDir Path temporary) throws Exception {
    root = Files.createDirectory(temporary.resolve("tree"));
  }

  private void python(String program) throws Exception {
    Process process =
        new ProcessBuilder("python3", "-c", "import os\n" + program)
            .directory(root.toFile())
            .inheritIO()
            .start();
    assertEquals(0, process.waitFor());
  }

  @Test
  void whatNoPathCanNameIsCountedAndRemoved() throws Exception {
    python(
        """
        for i in range(100):
            os.mkdir("d" * 200); os.chdir("d" * 200)
        open("file", "w").write("x" * 1000)
        """);
    assertEquals(new FileTrees.Usage(1000, 102), FileTrees.usage(root));
    FileTrees.delete(root);
    assertFalse(Files.exists(root));
  }

  @Test
  void whatIsDeeperThanAnyBuildNeedsExceedsEveryLimit() throws Exception {
    python("for i in range(2000):\n    os.mkdir('d'); os.chdir('d')");
    assertTrue(FileTrees.usage(root).entries() > Long.MAX_VALUE / 4);
    FileTrees.delete(root);
    assertFalse(Files.exists(root));
  }

  @Test
  void linksAreNeitherFollowedNorTheirTargetsRemoved() throws Exception {
    Path outside = Files.createDirectory(root.resolveSibling("outside"));
    Files.writeString(outside.resolve("file"), "stays");
    Files.createSymbolicLink(root.resolve("link"), outside);
    Files.createSymbolicLink(root.resolve("loop"), root);
    assertEquals(new FileTrees.Usage(0, 3), FileTrees.usage(root));
    FileTrees.delete(root);
    assertEquals("stays", Files.readString(outside.resolve("file")));
  }

  @Test
  void directoriesThatAreClosedToTheirOwnerAreRemoved() throws Exception {
    python(
        """
        os.makedirs("a/b/c"); open("a/b/c/file", "w").close()
        os.chmod("a/b/c", 0); os.chmod("a/b", 0o100); os.chmod("a", 0)
        """);
    FileTrees.delete(root);
    assertFalse(Files.exists(root));
  }

  @Test
  void manyMakeTheSameDirectoriesAtOnce() throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      for (int i = 0; i < 300; i++) {
        Path directory = root.resolve(i + "/a/b/c");
        CyclicBarrier together = new CyclicBarrier(4);
        List<Future<Path>> made =
            IntStream.range(0, 4)
                .mapToObj(
                    n ->
                        threads.submit(
                            () -> {
                              together.await();
                              return FileTrees.createReadable(directory);
                            }))
                .toList();
        for (Future<Path> one : made) {
          assertEquals(directory, one.get());
        }
        assertEquals(
            "rwxr-xr-x", PosixFilePermissions.toString(Files.getPosixFilePermissions(directory)));
      }
    }
  }

  @Test
  void aFileInTheWayIsSaid() throws Exception {
    Path file = Files.writeString(root.resolve("file"), "stays");
    assertThrows(FileAlreadyExistsException.class, () -> FileTrees.createReadable(file));
    assertEquals("stays", Files.readString(file));
  }
}
