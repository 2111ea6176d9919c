package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The copies themselves are seen from inside by the tests of the sandbox. */
final class HostSettingsTest {
  private final Path root;

  HostSettingsTest(@TempDir Path temporary) {
    this.root = temporary;
  }

  @Test
  void anInstallationAtTheSameTimeIsNotInTheWay() throws Exception {
    Path etc = Files.createDirectory(root.resolve("etc"));
    Files.writeString(etc.resolve("stays"), "as it is");
    AtomicBoolean over = new AtomicBoolean();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<Boolean> installing =
          threads.submit(
              () -> {
                while (!over.get()) {
                  Path directory = Files.createDirectory(etc.resolve("new"));
                  Files.delete(Files.writeString(directory.resolve("file"), ""));
                  Files.delete(directory);
                  Files.delete(Files.createSymbolicLink(etc.resolve("link"), directory));
                }
                return true;
              });
      try {
        for (int i = 0; i < 200; i++) {
          Path copy = root.resolve("copy-" + i);
          HostSettings.copyWhatIsThere(etc, copy);
          assertEquals("as it is", Files.readString(copy.resolve("stays")));
        }
      } finally {
        over.set(true);
      }
      assertTrue(installing.get());
    }
  }
}
