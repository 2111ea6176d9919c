package build.thresher.testing;

import java.nio.file.Files;
import java.nio.file.Path;

/** Where tests put what is opened once and thrown away. */
public final class Scratch {
  private static final Path SHARED = Path.of("/dev/shm");

  private Scratch() {}

  /**
   * In memory where the machine has that, so that no disk has to wait for it.
   *
   * @param otherwise a directory on disk
   * @return a directory of the caller's own, which he removes; not there yet
   */
  public static Path inMemory(Path otherwise, String name) {
    return (Files.isWritable(SHARED) ? SHARED : otherwise)
        .resolve("thresher-" + name + "-" + ProcessHandle.current().pid());
  }
}
