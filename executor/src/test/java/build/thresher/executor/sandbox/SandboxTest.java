package build.thresher.executor.sandbox;

import static build.thresher.executor.sandbox.TestSandbox.WIDE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.sandbox.SandboxResult.End;
import build.thresher.executor.testing.RealControlGroups;
import build.thresher.executor.testing.RunningProcesses;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a command in a real sandbox can and cannot do. */
final class SandboxTest {
  private final Path temporary;
  private final StringBuilder output = new StringBuilder();
  private Sandbox sandbox;
  private Path shared;
  private Path own;

  SandboxTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void prepare() throws Exception {
    sandbox = TestSandbox.open(temporary);
    shared = FileTrees.createReadable(temporary.resolve("shared"));
    Files.writeString(shared.resolve("file"), "as it was");
    own = TestSandbox.writable(temporary.resolve("own"));
  }

  @AfterEach
  void close() throws Exception {
    if (sandbox != null) {
      sandbox.close();
    }
    FileTrees.delete(temporary.resolve("etc"));
  }

  private SandboxResult run(Limits limits, KillSwitch kill, String script)
      throws IOException, InterruptedException {
    output.setLength(0);
    return sandbox.run(
        spec(limits, script),
        (bytes, count) -> output.append(new String(bytes, 0, count, StandardCharsets.UTF_8)),
        kill);
  }

  private SandboxSpec spec(Limits limits, String script) {
    return new SandboxSpec(
        "test",
        List.of(Bind.readOnly(shared, "/shared"), Bind.writable(own, "/tmp")),
        Map.of("PATH", "/usr/bin:/bin", "HOME", "/tmp"),
        "/tmp",
        List.of("/bin/sh", "-c", RunningProcesses.unique(script)),
        limits,
        own,
        TestSandbox.USER);
  }

  private String run(String script) throws IOException, InterruptedException {
    SandboxResult result = run(WIDE, new KillSwitch(), script);
    assertEquals(End.EXITED, result.end());
    return output.toString().strip();
  }

  /** Each of these is an attempt to get out or to do harm; it must fail. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "cat /etc/shadow",
        "ls /root",
        "ls /home",
        "ls /run",
        "ls /var/run",
        "ls /var/lib",
        "ls /boot",
        "ls /sys/kernel",
        "cat /proc/1/root/etc/shadow",
        "cat /proc/kcore",
        "echo x > /proc/sys/kernel/hostname",
        "echo x > /proc/sysrq-trigger",
        "echo x > /shared/file",
        "touch /shared/new",
        "rm /shared/file",
        "mv /shared/file /shared/other",
        "chmod 777 /shared/file",
        "truncate -s 0 /shared/file",
        "ln /shared/file /shared/link",
        "touch -d 2001-01-01 /shared/file",
        "mount -o remount,rw /shared",
        "mount -t tmpfs none /shared",
        "umount /shared",
        "mount --bind /tmp /shared",
        "touch /usr/new",
        "touch /etc/new-file/x",
        "echo x > /etc/passwd",
        "unshare --user true",
        "unshare --mount true",
        "unshare --net true",
        "chroot / true",
        "mknod /tmp/disk b 8 0",
        "cat /dev/mem",
        "cat /dev/sda",
        "cat /dev/vda",
        "ls /dev/disk",
        "test $(ls -d /proc/[0-9]* | wc -l) -gt 12",
        "su -c true",
        "sudo -n true",
        "python3 -c \"import socket; socket.create_connection(('1.1.1.1', 53), 2)\"",
        "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX); s.connect('/run/docker.sock')\"",
        "python3 -c \"import os; os.setuid(0)\"",
        "python3 -c \"import ctypes,sys; sys.exit(ctypes.CDLL(None).syscall(248,b'user',b'x',b'y',1,-4)<0)\"",
      })
  void escapesFail(String attempt) throws Exception {
    SandboxResult result = run(WIDE, new KillSwitch(), attempt);
    assertEquals(End.EXITED, result.end());
    assertNotEquals(0, result.exitCode(), attempt + " worked: " + output);
    assertEquals("as it was", Files.readString(shared.resolve("file")));
    assertEquals(List.of("file"), names(shared));
  }

  private static List<String> names(Path directory) throws IOException {
    try (var children = Files.list(directory)) {
      return children.map(p -> String.valueOf(p.getFileName())).toList();
    }
  }

  @Test
  void aBuildIsAPlainUserWithoutCapabilities() throws Exception {
    assertEquals("1000 1000 build builder", run("echo $(id -u) $(id -g) $(id -un) $(uname -n)"));
    assertEquals("0000000000000000", run("sed -n 's/^CapEff:\\s*//p' /proc/self/status"));
    assertEquals("1", run("sed -n 's/^NoNewPrivs:\\s*//p' /proc/self/status"));
    assertEquals("2", run("sed -n 's/^Seccomp:\\s*//p' /proc/self/status"));
    assertEquals(
        "lo",
        run("ls /sys/class/net 2>/dev/null || tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"));
  }

  @Test
  void theEnvironmentHoldsNothingOfTheHost() throws Exception {
    assertEquals(
        "HOME PATH PWD", run("env | cut -d= -f1 | grep -v '^_$\\|SHLVL\\|OLDPWD' | sort | xargs"));
  }

  @Test
  void ownDirectoryIsWritableAndExecutable() throws Exception {
    assertEquals(
        "ran", run("printf '#!/bin/sh\\necho ran\\n' > /tmp/x && chmod +x /tmp/x && /tmp/x"));
  }

  @Test
  void nothingOfABuildOutlivesIt() throws Exception {
    run("setsid nohup sleep 4321 >/dev/null 2>&1 & (sleep 4321 &) ; exit 0");
    assertFalse(RunningProcesses.sleeps("4321"));
  }

  @Test
  void killingTakesTheWholeTree() throws Exception {
    KillSwitch kill = new KillSwitch();
    Thread killer =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    while (!RunningProcesses.sleeps("4322")) {
                      Thread.sleep(10);
                    }
                    kill.kill();
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                });
    SandboxResult result =
        run(WIDE, kill, "trap '' TERM INT HUP; setsid sleep 4322 & sleep 4322; sleep 4322");
    killer.join();
    assertEquals(End.KILLED, result.end());
    assertFalse(RunningProcesses.sleeps("4322"));
  }

  @Test
  void aBuildThatTakesTooLongIsKilled() throws Exception {
    Limits limits = new Limits(Duration.ofSeconds(1), 0, 500, 1L << 30, 100_000);
    assertEquals(End.TIMEOUT, run(limits, new KillSwitch(), "sleep 4323").end());
    assertFalse(RunningProcesses.sleeps("4323"));
  }

  @Test
  void aBuildThatFillsTheDiskIsKilled() throws Exception {
    Limits limits = new Limits(Duration.ofMinutes(1), 0, 500, 1L << 20, 100_000);
    SandboxResult result =
        run(limits, new KillSwitch(), "head -c 900000 /dev/zero | tee /tmp/a > /tmp/b; sleep 4324");
    assertEquals(End.DISK_LIMIT, result.end());
  }

  @Test
  void aForkBombHitsTheLimit() throws Exception {
    Limits limits = new Limits(Duration.ofMinutes(1), 0, 50, 1L << 30, 100_000);
    SandboxResult result =
        run(
            limits,
            new KillSwitch(),
            "python3 -c \"import os,time\nfor i in range(200):\n  if os.fork()==0: time.sleep(60)\"");
    assertNotEquals(0, result.exitCode());
    if (RealControlGroups.have("pids")) {
      assertEquals(End.PROCESS_LIMIT, result.end());
    }
  }

  @Test
  void aForkBombThatNeverGivesUpIsKilledInTime() throws Exception {
    Limits limits = new Limits(Duration.ofSeconds(3), 256L << 20, 60, 1L << 30, 100_000);
    String bomb =
        "import os #" + temporary + "\nwhile True:\n  try: os.fork()\n  except OSError: pass";
    String script = "exec python3 -c '" + bomb + "'";
    assertEquals(End.TIMEOUT, run(limits, new KillSwitch(), script).end());
    assertFalse(RunningProcesses.any(line -> line.endsWith(bomb + "\0")));
    assertEquals("fine", run("echo fine"));
  }

  @Test
  void aFileLargerThanTheLimitIsNeverWritten() throws Exception {
    Limits limits = new Limits(Duration.ofMinutes(1), 0, 500, 4L << 20, 100_000);
    SandboxResult result =
        run(limits, new KillSwitch(), "head -c 300000000 /dev/zero > /tmp/big; exit 3");
    assertEquals(4L << 20, Files.size(own.resolve("big")));
    assertEquals(3, result.exitCode());
  }

  @Test
  void sharedMemoryIsLimitedToo() throws Exception {
    Limits limits = new Limits(Duration.ofMinutes(1), 0, 500, 4L << 30, 100_000);
    run(
        limits,
        new KillSwitch(),
        "head -c 1500000000 /dev/zero 2>&1 > /dev/shm/x | grep -o 'No space'; rm /dev/shm/x");
    assertEquals("No space", output.toString().strip());
  }

  @Test
  void manySmallFilesHitTheLimit() throws Exception {
    Limits limits = new Limits(Duration.ofMinutes(1), 0, 500, 1L << 30, 200);
    SandboxResult result =
        run(limits, new KillSwitch(), "cd /tmp; seq 1000 | xargs touch; sleep 4325");
    assertEquals(End.DISK_LIMIT, result.end());
  }

  @Test
  void aFloodOfOutputIsTakenWithoutKeepingIt() throws Exception {
    long[] bytes = new long[1];
    SandboxResult result =
        sandbox.run(
            spec(WIDE, "head -c 300000000 /dev/zero"),
            (buffer, count) -> bytes[0] += count,
            new KillSwitch());
    assertEquals(End.EXITED, result.end());
    assertEquals(300_000_000, bytes[0]);
  }

  @Test
  void memoryBeyondTheLimitIsSeenAsSuch() throws Exception {
    assumeTrue(
        RealControlGroups.have("memory"), "no memory control group can be written on this host");
    Limits limits = new Limits(Duration.ofMinutes(1), 64L << 20, 500, 1L << 30, 100_000);
    SandboxResult result = run(limits, new KillSwitch(), "python3 -c 'x = bytearray(512 << 20)'");
    assertEquals(End.OUT_OF_MEMORY, result.end());
  }

  @Test
  void memoryThatOnlyAPartOfTheCommandWantedIsSeenToo() throws Exception {
    assumeTrue(
        RealControlGroups.have("memory"), "no memory control group can be written on this host");
    Limits limits = new Limits(Duration.ofMinutes(1), 64L << 20, 500, 1L << 30, 100_000);
    String compiler = "python3 -c 'x = bytearray(512 << 20)'";
    assertEquals(End.OUT_OF_MEMORY, run(limits, new KillSwitch(), compiler + " || exit 1").end());
    assertEquals(End.EXITED, run(limits, new KillSwitch(), compiler + "; echo mended").end());
  }

  /** The same work, twice and four times: what is reported grows in the same way. */
  @Test
  void reportedTimesAreInProportionToTheWork() throws Exception {
    double once = cpuSeconds(1, 1);
    double fourTimes = cpuSeconds(4, 1);
    double fourTimesInParallel = cpuSeconds(1, 4);
    assertEquals(4, fourTimes / once, 2, once + " s and " + fourTimes + " s");
    assertEquals(4, fourTimesInParallel / once, 2, once + " s and " + fourTimesInParallel + " s");
  }

  private double cpuSeconds(int work, int processes) throws Exception {
    String burn =
        "python3 -c 'import time\nt = time.process_time()\nwhile time.process_time() - t < 0.4*"
            + work
            + ": pass'";
    SandboxResult result = run(WIDE, new KillSwitch(), (burn + " & ").repeat(processes) + "wait");
    return result.usage().userCpu().plus(result.usage().systemCpu()).toNanos() / 1e9;
  }

  @Test
  void usageIsMeasured() throws Exception {
    SandboxResult result =
        run(
            WIDE,
            new KillSwitch(),
            "python3 -c 'x = bytearray(100 << 20)\nimport time\nt = time.process_time()\nwhile time.process_time() - t < 0.6: pass'");
    Duration cpu = result.usage().userCpu().plus(result.usage().systemCpu());
    assertTrue(cpu.toMillis() > 300, result.usage().toString());
    assertTrue(result.usage().peakMemoryBytes() > (50 << 20), result.usage().toString());
  }

  @Test
  void withoutControlGroupsItWorksToo() throws Exception {
    sandbox.close();
    sandbox =
        new Sandbox(
            new Bubblewrap(
                temporary, temporary.resolve("etc"), List.of(), TestSandbox.ROOT, Optional.empty()),
            ControlGroups.none(),
            "/usr/bin/python3",
            System::nanoTime);
    usageIsMeasured();
    killingTakesTheWholeTree();
  }

  @Test
  void aPythonBefore38StartsCommandsToo() throws Exception {
    Path python = temporary.resolve("python");
    Files.writeString(
        python,
        "#!/bin/sh\nshift 3\nexec /usr/bin/python3 -I -S -c 'import os, sys; del os.posix_spawn,"
            + " os.POSIX_SPAWN_DUP2; exec(sys.argv.pop(1))' \"$@\"\n");
    Files.setPosixFilePermissions(python, PosixFilePermissions.fromString("rwxr-xr-x"));
    sandbox.close();
    sandbox = TestSandbox.open(temporary, List.of(), python.toString());
    usageIsMeasured();
    killingTakesTheWholeTree();
    try (Sandbox plain =
        new Sandbox(
            new Plain(TestSandbox.ROOT),
            ControlGroups.none(),
            python.toString(),
            System::nanoTime)) {
      SandboxResult result =
          plain.run(
              new SandboxSpec(
                  "gone",
                  List.of(),
                  Map.of(),
                  own.toString(),
                  List.of("./gone"),
                  WIDE,
                  own,
                  TestSandbox.USER,
                  Optional.empty(),
                  true),
              (bytes, length) -> {},
              new KillSwitch());
      assertEquals(127, result.exitCode());
    }
  }
}
