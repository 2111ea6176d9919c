package build.thresher.executor.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.executor.inputs.FileTrees;
import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the sandbox costs: the same commands bare and sandboxed, one after the other in turn, so
 * that whatever else the machine does falls on both.
 */
@Tag("benchmark")
final class SandboxBenchmark {
  private static final int ROUNDS = 25;

  private final Path temporary;
  private int runs;

  SandboxBenchmark(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @Test
  void bareAndSandboxed() throws Exception {
    try (Sandbox sandbox = TestSandbox.open(temporary)) {
      compare(sandbox, "nothing (true)", "true");
      compare(sandbox, "100 processes", "for i in $(seq 100); do /bin/true; done");
      compare(sandbox, "Python starts", "python3 -c pass");
      compare(
          sandbox,
          "a C file compiled",
          "printf '#include <stdio.h>\\n#include <stdlib.h>\\nint main(void) { return puts(\"x\") < 0; }\\n'"
              + " > a.c && cc -O2 a.c -o a && ./a");
      compare(
          sandbox,
          "2,000 small files",
          "for i in $(seq 2000); do echo $i > f$i; done; cat f* > /dev/null; rm f*");
      compare(sandbox, "a second of work", "timeout 1 sh -c 'while :; do :; done'; :");
    }
  }

  private void compare(Sandbox sandbox, String what, String script) throws Exception {
    List<String> command = List.of("/bin/sh", "-c", script);
    long[] bare = new long[ROUNDS];
    long[] sandboxed = new long[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
      bare[i] = bare(command);
      sandboxed[i] = sandboxed(sandbox, command);
    }
    double without = median(bare) / 1e6;
    double with = median(sandboxed) / 1e6;
    System.out.printf(
        "BENCH %-20s bare %8.1f ms, in the sandbox %8.1f ms: %+6.1f ms, × %.2f%n",
        what, without, with, with - without, with / without);
  }

  private static double median(long[] nanos) {
    return LongStream.of(nanos).sorted().skip(nanos.length / 2).findFirst().orElseThrow();
  }

  private Path directory() throws Exception {
    return TestSandbox.writable(temporary.resolve("run-" + ++runs));
  }

  private long bare(List<String> command) throws Exception {
    Path directory = directory();
    List<String> words = new ArrayList<>();
    if (TestSandbox.ROOT) {
      words.addAll(List.of("setpriv", "--reuid=" + TestSandbox.USER, "--clear-groups", "--"));
    }
    words.addAll(command);
    long start = System.nanoTime();
    ProcessBuilder builder =
        new ProcessBuilder(words).directory(directory.toFile()).redirectErrorStream(true);
    builder.redirectOutput(new File("/dev/null"));
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/bin:/bin");
    assertEquals(0, builder.start().waitFor());
    long nanos = System.nanoTime() - start;
    FileTrees.delete(directory);
    return nanos;
  }

  private long sandboxed(Sandbox sandbox, List<String> command) throws Exception {
    Path directory = directory();
    SandboxSpec spec =
        new SandboxSpec(
            "bench",
            List.of(Bind.writable(directory, "/tmp")),
            Map.of("PATH", "/usr/bin:/bin"),
            "/tmp",
            command,
            TestSandbox.WIDE,
            directory,
            TestSandbox.USER);
    long start = System.nanoTime();
    SandboxResult result = sandbox.run(spec, (bytes, count) -> {}, new KillSwitch());
    long nanos = System.nanoTime() - start;
    assertEquals(0, result.exitCode());
    FileTrees.delete(directory);
    return nanos;
  }
}
