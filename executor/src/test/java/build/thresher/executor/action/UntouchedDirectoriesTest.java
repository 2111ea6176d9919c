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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever an action does to a directory, the next one does not find it. */
final class UntouchedDirectoriesTest {
  private final Path path;
  private final ChangeClock clock;
  private final Owner owner = new Owner(-1);
  private final UntouchedDirectories directories;

  /** The kernel's clock stands still: changes have the time that they had then. */
  private @Nullable FileTime still;

  UntouchedDirectoriesTest(@TempDir Path temporary) throws Exception {
    path = temporary.resolve("own");
    clock = new ChangeClock(temporary.resolve("changes"));
    directories = new UntouchedDirectories(() -> still == null ? clock.now() : still);
  }

  private interface Deed {
    void on(Path directory) throws IOException;
  }

  /** Whether the next action gets the same directory after an earlier one did this to it. */
  private boolean serves(Deed deed) throws IOException {
    directories.take(path, owner);
    directories.clear(path);
    FileTime before = (FileTime) Files.getAttribute(path, "unix:ctime");
    while (clock.now().compareTo(before) <= 0) {
      Thread.onSpinWait(); // A change within one tick has the same time.
    }
    directories.take(path, owner);
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
  void whereChangesHaveTheTimeOfItsMakingItIsMadeNew() throws Exception {
    directories.take(path, owner);
    still = (FileTime) Files.getAttribute(path, "unix:ctime");
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
