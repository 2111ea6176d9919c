package build.thresher.executor.action;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Objects;

/**
 * The clock that a file system gives times of change by. It goes in ticks, 1 to 10 ms each on
 * kernels before 6.13, and may stand still for longer in a virtual machine whose host has much else
 * to do, while other clocks go on. It is asked by changing a file. Thread-safe.
 */
final class ChangeClock {
  private final Path file;

  /**
   * @param file in the file system in question; made if it is not there
   */
  ChangeClock(Path file) throws IOException {
    this.file = file;
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      Files.createFile(file);
    }
  }

  /** The time that a change has now. */
  FileTime now() throws IOException {
    Files.setLastModifiedTime(file, FileTime.fromMillis(0));
    return (FileTime) Objects.requireNonNull(Files.getAttribute(file, "unix:ctime"));
  }
}
