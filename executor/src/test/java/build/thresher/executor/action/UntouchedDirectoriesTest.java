package build.thresher.executor.action;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever an action does to a directory, the next one does not find it. */
final class UntouchedDirectoriesTest {
  private final Path path;
  private Duration ahead = Duration.ofSeconds(1);
  private final Owner owner = new Owner(-1);
  private final UntouchedDirectories directories =
      new UntouchedDirectories(() -> Instant.now().plus(ahead));

  UntouchedDirectoriesTest(@TempDir Path temporary) {
    this.path = temporary.resolve("own");
  }

  private interface Deed {
    void on(Path directory) throws IOException;
  }

  /** Whether the next action gets the same directory after an earlier one did this to it. */
  private boolean serves(Deed deed) throws IOException {
    directories.take(path, owner);
    FileTime before = (FileTime) Files.getAttribute(path, "unix:ctime");
    while (Instant.now().isBefore(before.toInstant().plusMillis(20))) {
      Thread.onSpinWait(); // A change within one tick of the kernel's clock has the same time.
    }
    deed.on(path);
    directories.clear(path);
    directories.take(path, owner);
    assertEquals(0, entries(path));
    assertEquals("rwxr-xr-x", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
    assertFalse(
        Files.getFileAttributeView(path, UserDefinedFileAttributeView.class)
            .list()
            .contains("left"));
    return before.equals(Files.getAttribute(path, "unix:ctime"));
  }

  private static long entries(Path directory) throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return all.count();
    }
  }

  private void mustBeNew(Deed deed) throws IOException {
    assertEquals(false, serves(deed));
    assertEquals(true, serves(directory -> {}));
  }

  @Test
  void oneThatNobodyTouchedServesAgain() throws Exception {
    assertEquals(true, serves(directory -> {}));
    assertEquals(true, serves(directory -> assertEquals(0, entries(directory))));
  }

  @Test
  void whateverWasDoneToItMakesItNew() throws Exception {
    mustBeNew(directory -> Files.writeString(directory.resolve("file"), "left"));
    mustBeNew(directory -> Files.delete(Files.createFile(directory.resolve("gone"))));
    mustBeNew(
        directory -> {
          Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
          Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
        });
    mustBeNew(directory -> Files.setLastModifiedTime(directory, FileTime.fromMillis(0)));
    mustBeNew(
        directory ->
            Files.getFileAttributeView(directory, UserDefinedFileAttributeView.class)
                .write("left", ByteBuffer.wrap(new byte[] {1})));
  }

  @Test
  void oneThatIsTooYoungToTellIsMadeNew() throws Exception {
    ahead = Duration.ZERO;
    assertEquals(false, serves(directory -> {}));
  }

  @Test
  void whatWasNotTakenIsRemoved() throws Exception {
    Files.createDirectory(path);
    directories.clear(path);
    assertFalse(Files.exists(path));
    Files.createDirectory(path);
    Files.writeString(path.resolve("file"), "of somebody else");
    directories.take(path, owner);
    assertEquals(0, entries(path));
  }
}
