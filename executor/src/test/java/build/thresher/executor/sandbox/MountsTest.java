package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.inputs.FileTrees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the process that starts sandboxes sees of the host, and the devices that it lends. */
final class MountsTest {
  private static final String OPENS_A_TERMINAL =
      "python3 -c 'import os; a, b = os.openpty(); os.write(a, b\"typed\\n\");"
          + " print(os.ttyname(b), os.read(b, 9), os.stat(os.ttyname(b)).st_uid)'";

  private final Path temporary;
  private Path host;
  private Path own;
  private @Nullable Sandbox sandbox;

  MountsTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void prepare() throws Exception {
    Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rwxr-xr-x"));
    host = FileTrees.createReadable(temporary.resolve("host"));
    own = TestSandbox.writable(temporary.resolve("own"));
  }

  @AfterEach
  void close() throws Exception {
    if (sandbox != null) {
      sandbox.close();
    }
    if (TestSandbox.ROOT) {
      Process umount = new ProcessBuilder("umount", "-l", "-R", host.toString()).start();
      umount.waitFor(); // where there is something
    }
    FileTrees.delete(temporary.resolve("etc"));
  }

  private void open(Path directory, List<Path> hostPaths) throws IOException {
    sandbox = TestSandbox.open(directory, hostPaths, "/usr/bin/python3");
  }

  private String run(String script) throws Exception {
    return TestSandbox.run(Objects.requireNonNull(sandbox), own, "/own", script, false);
  }

  private static void mount(String... words) throws Exception {
    Process mount =
        new ProcessBuilder(Stream.concat(Stream.of("mount"), Stream.of(words)).toList())
            .inheritIO()
            .start();
    assertEquals(0, mount.waitFor());
  }

  private static Path launcher() {
    return ProcessHandle.current()
        .children()
        .map(process -> Path.of("/proc/" + process.pid()))
        .filter(process -> read(process.resolve("cmdline")).contains("thresher-launcher"))
        .findFirst()
        .orElseThrow();
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return ""; // It ended meanwhile.
    }
  }

  private static String namespace(Path process) throws IOException {
    return Files.readSymbolicLink(process.resolve("ns/mnt")).toString();
  }

  private static boolean isOfTheHost(Path launcher) throws IOException {
    return namespace(launcher).equals(namespace(Path.of("/proc/self")));
  }

  private void mountSomethingTo(String propagation) throws Exception {
    assumeTrue(TestSandbox.ROOT, "only root mounts");
    mount("-t", "tmpfs", "-o", "mode=755", "first", host.toString());
    mount("--make-" + propagation, host.toString());
    FileTrees.createReadable(host.resolve("later"));
  }

  @Test
  void theLauncherOfRootLeavesWhatNoCommandCanNeed() throws Exception {
    assumeTrue(TestSandbox.ROOT, "an ordinary user may not leave anything");
    mountSomethingTo("private");
    open(FileTrees.createReadable(temporary.resolve("work")), List.of());
    assertEquals("fine", run("echo fine"));
    assertFalse(isOfTheHost(launcher()));
    String table = read(launcher().resolve("mountinfo"));
    assertFalse(table.contains(" /sys"), table);
    assertFalse(table.contains(host.toString()), table);
    assertTrue(read(Path.of("/proc/self/mountinfo")).contains(host.toString()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"shared", "private"})
  void whatTheHostMountsLaterIsSeen(String propagation) throws Exception {
    mountSomethingTo(propagation);
    open(temporary, List.of(host));
    assertEquals("", run("ls " + host + "/later"));
    // What follows nothing would be seen no more in another namespace.
    assertEquals(!propagation.equals("shared"), isOfTheHost(launcher()));
    mount("-t", "tmpfs", "-o", "mode=755", "second", host.resolve("later").toString());
    Files.writeString(host.resolve("later/file"), "");
    assertEquals("file", run("ls " + host + "/later"));
  }

  @Test
  void devicesAreThereAndNotForCommandsToChange() throws Exception {
    open(temporary, List.of());
    for (int i = 0; i < 2; i++) {
      assertEquals(
          "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
          run("echo $(ls /dev)"));
      assertEquals("3", run("echo gone > /dev/null; head -c 3 /dev/zero | wc -c; touch /dev/null"));
      assertEquals(
          "5",
          run(
              "for name in null zero full random urandom; do"
                  + " rm /dev/$name || mv /dev/$name /dev/other || chmod 0 /dev/$name"
                  + " || touch /dev/pts/$name || echo; done 2> /dev/null | wc -l"));
      assertEquals(
          "no", run("touch /dev/new 2> /dev/null || mkdir /dev/new 2> /dev/null || echo no"));
      assertEquals("yes", run("touch /dev/shm/new && echo yes"));
    }
  }

  @Test
  void terminalsAreTheCommandsOwn() throws Exception {
    open(temporary, List.of());
    for (int i = 0; i < 3; i++) {
      assertEquals("ptmx", run("ls /dev/pts"));
      assertEquals("/dev/pts/0 b'typed\\n' 1000", run(OPENS_A_TERMINAL));
    }
  }

  /**
   * As in {@link EmptyNetworkTest}: what stays behind is killed, but what it had would be there.
   */
  @Test
  void whoStaysBehindKeepsNoTerminalOfTheNext() throws Exception {
    open(temporary, List.of());
    for (int i = 0; i < 3; i++) {
      assertEquals("ptmx", run("ls /dev/pts"));
      run("setsid python3 -c 'import os,time; os.openpty(); time.sleep(99)' & sleep 0.2");
    }
  }
}
