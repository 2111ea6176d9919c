package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.executor.testing.Attacks;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whose directory is whose, and who clears up. */
final class WorkDirectoryTest {
  private static final List<String> NAMES = List.of("a", "b", "c");

  private final Path root;

  WorkDirectoryTest(@TempDir Path temporary) {
    this.root = temporary;
  }

  private Path actions(String name) {
    return root.resolve("executors/" + name + "/actions");
  }

  /** As after a kill of all: each clears up for the others too, and none is in another's way. */
  @Test
  void allThatDiedMayStartAgainAtOnce() throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(NAMES.size())) {
      for (int i = 0; i < 10; i++) {
        CyclicBarrier together = new CyclicBarrier(NAMES.size());
        List<Future<WorkDirectory>> started = new ArrayList<>();
        for (String name : NAMES) {
          Files.createDirectories(actions(name).resolve("1/left-over"));
        }
        for (String name : NAMES) {
          started.add(
              threads.submit(
                  () -> {
                    together.await();
                    return WorkDirectory.open(root, name);
                  }));
        }
        for (Future<WorkDirectory> one : started) {
          one.get();
        }
        for (String name : NAMES) {
          assertEquals(List.of(), Attacks.children(actions(name)));
        }
        for (Future<WorkDirectory> one : started) {
          one.get().close();
        }
      }
    }
  }

  @Test
  void whatALivingOneHasStays() throws Exception {
    try (WorkDirectory living = WorkDirectory.open(root, "a")) {
      Path build = living.newAction();
      WorkDirectory.open(root, "b").close();
      assertThrows(HostNotReadyException.class, () -> WorkDirectory.open(root, "a"));
      assertEquals(List.of(build), Attacks.children(actions("a")));
    }
  }
}
