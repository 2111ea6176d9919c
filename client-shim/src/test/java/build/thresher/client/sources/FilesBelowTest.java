package build.thresher.client.sources;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FilesBelowTest {
  @TempDir Path root;

  @Test
  void filesAndLinksToFilesAreListedOfTheDirectoriesThatAreEntered() throws Exception {
    Path file = Files.writeString(Files.createDirectory(root.resolve("b")).resolve("file"), "");
    Files.writeString(Files.createDirectory(root.resolve("closed")).resolve("file"), "");
    Path link = Files.createSymbolicLink(root.resolve("a"), file);
    Files.createSymbolicLink(root.resolve("dangling"), root.resolve("nowhere"));
    Files.createSymbolicLink(root.resolve("directory"), root.resolve("b"));
    assertEquals(
        List.of(link, file), FilesBelow.list(root, directory -> !directory.endsWith("closed")));
    assertThrows(
        NoSuchFileException.class, () -> FilesBelow.list(root.resolve("nowhere"), d -> true));
  }

  @Test
  void whoWritesMeanwhileIsNotInTheWay() throws Exception {
    Path stays = Files.writeString(root.resolve("stays"), "");
    AtomicBoolean over = new AtomicBoolean();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<Boolean> writer =
          threads.submit(
              () -> {
                while (!over.get()) {
                  Path directory = Files.createDirectory(root.resolve("made"));
                  Files.delete(Files.writeString(directory.resolve("file"), ""));
                  Files.delete(directory);
                  Files.delete(Files.writeString(root.resolve("file"), ""));
                }
                return true;
              });
      try {
        for (int i = 0; i < 1_000; i++) {
          assertTrue(FilesBelow.list(root, directory -> true).contains(stays));
        }
      } finally {
        over.set(true);
      }
      assertTrue(writer.get());
    }
  }
}
