package build.thresher.cas.sources;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.sources.FetchException.Reason;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The program git, run so that what a stranger's repository says makes it do nothing: no hooks,
 * filters, credential helpers, configuration of machine or user, no protocol but HTTP, no
 * redirects, no questions. It never checks out. Each run is killed at its deadline or when the disk
 * has only its reserve left, and no file may grow beyond a limit.
 *
 * <p>Threading: any thread; calls block.
 */
final class GitProgram {
  /** The first that can be told which address a host has. */
  private static final int OLDEST_MINOR_OF_2 = 37;

  private static final Pattern VERSION =
      Pattern.compile("git version (\\d+)\\.(\\d+).*", Pattern.DOTALL);
  private static final int MAX_SAID = 2_000;
  private static final int BLOCK_BYTES = 512;
  private static final long LOOK_AT_DISK_NANOS = 500_000_000;

  private static final List<String> SAFE =
      List.of(
          "-c", "core.hooksPath=/dev/null",
          "-c", "core.fsmonitor=false",
          "-c", "core.askPass=/bin/false",
          "-c", "credential.helper=",
          "-c", "protocol.allow=never",
          "-c", "protocol.http.allow=always",
          "-c", "protocol.https.allow=always",
          "-c", "http.followRedirects=false",
          "-c", "http.lowSpeedLimit=1",
          "-c", "http.lowSpeedTime=60",
          "-c", "fetch.unpackLimit=1",
          "-c", "fetch.recurseSubmodules=false",
          "-c", "gc.auto=0",
          "-c", "maintenance.auto=false",
          "-c", "pack.threads=1");

  private final LongSupplier nanoTime;
  private final long maxBytes;
  private final DiskReserve reserve;

  GitProgram(LongSupplier nanoTime, long maxBytes, DiskReserve reserve) {
    this.nanoTime = nanoTime;
    this.maxBytes = maxBytes;
    this.reserve = reserve;
  }

  /**
   * @throws FetchException when this machine has no git that will do
   */
  void requireUsable(Path scratch, long deadline) throws IOException {
    String said;
    try {
      said = new String(run(scratch, deadline, List.of("--version")), StandardCharsets.UTF_8);
    } catch (FetchException e) {
      throw new FetchException(
          Reason.FORBIDDEN, "the farm's server has no git, which it needs to fetch commits", e);
    }
    Matcher m = VERSION.matcher(said);
    if (!m.matches()
        || (m.group(1).equals("2") && Integer.parseInt(m.group(2)) < OLDEST_MINOR_OF_2)
        || m.group(1).equals("1")) {
      throw new FetchException(
          Reason.FORBIDDEN,
          "the farm's server needs git 2.%d or newer to fetch commits and has %s"
              .formatted(OLDEST_MINOR_OF_2, said.strip()));
    }
  }

  /**
   * What it prints.
   *
   * @param repository its directory; also where it finds a home with nothing in it
   * @throws FetchException when it fails or takes too long
   */
  byte[] run(Path repository, long deadline, List<String> arguments) throws IOException {
    return run(repository, deadline, Map.of(), arguments);
  }

  byte[] run(Path repository, long deadline, Map<String, String> more, List<String> arguments)
      throws IOException {
    Path out = Files.createTempFile(repository, "out", "");
    try {
      Process process =
          start(
              repository,
              more,
              arguments,
              new File("/dev/null"),
              ProcessBuilder.Redirect.to(out.toFile()));
      end(process, repository, deadline, arguments);
      return Files.readAllBytes(out);
    } finally {
      Files.deleteIfExists(out);
    }
  }

  /** Reads what it prints as it prints it. */
  interface Reader {
    void read(InputStream out) throws IOException;
  }

  /**
   * @param input what it reads
   */
  void stream(Path repository, long deadline, List<String> arguments, Path input, Reader reader)
      throws IOException {
    Process process =
        start(repository, Map.of(), arguments, input.toFile(), ProcessBuilder.Redirect.PIPE);
    Thread guard =
        Thread.ofVirtual()
            .start(
                () -> {
                  try {
                    if (!process.waitFor(left(deadline), TimeUnit.NANOSECONDS)) {
                      kill(process);
                    }
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                });
    try (InputStream out = process.getInputStream()) {
      reader.read(out);
      end(process, repository, deadline, arguments);
    } finally {
      kill(process);
      guard.interrupt();
    }
  }

  private Process start(
      Path repository,
      Map<String, String> more,
      List<String> arguments,
      File input,
      ProcessBuilder.Redirect output)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.addAll(List.of("/bin/sh", "-c", "ulimit -f \"$0\" && exec git \"$@\""));
    command.add(Long.toString(Math.max(1, maxBytes / BLOCK_BYTES)));
    command.addAll(SAFE);
    command.addAll(arguments);
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(repository.toFile())
            .redirectInput(input)
            .redirectOutput(output)
            .redirectError(said(repository).toFile());
    Map<String, String> environment = builder.environment();
    String path = environment.getOrDefault("PATH", "/usr/bin:/bin");
    environment.clear();
    environment.putAll(
        Map.of(
            "PATH", path,
            "LC_ALL", "C",
            "HOME", repository.toString(),
            "GIT_CONFIG_NOSYSTEM", "1",
            "GIT_CONFIG_GLOBAL", "/dev/null",
            "GIT_ATTR_NOSYSTEM", "1",
            "GIT_ALLOW_PROTOCOL", "http:https",
            "GIT_TERMINAL_PROMPT", "0",
            "GIT_CEILING_DIRECTORIES", String.valueOf(repository.getParent()),
            "GIT_NO_LAZY_FETCH", "1"));
    environment.putAll(more);
    return builder.start();
  }

  private static Path said(Path repository) {
    return repository.resolve("said");
  }

  private void end(Process process, Path repository, long deadline, List<String> arguments)
      throws IOException {
    try {
      while (!process.waitFor(Math.min(LOOK_AT_DISK_NANOS, left(deadline)), TimeUnit.NANOSECONDS)) {
        reserve.requireFree();
        if (left(deadline) == 0) {
          throw new FetchException(Reason.UNREACHABLE, "git took too long");
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while git ran");
    } finally {
      kill(process);
    }
    if (process.exitValue() != 0) {
      String said = Files.readString(said(repository), StandardCharsets.ISO_8859_1).strip();
      String shown = said.length() > MAX_SAID ? said.substring(said.length() - MAX_SAID) : said;
      throw new FetchException(
          Reason.UNREACHABLE,
          "git %s failed (%d): %s"
              .formatted(arguments.getFirst(), process.exitValue(), shown.replaceAll("\\s+", " ")));
    }
  }

  private long left(long deadline) {
    return Math.max(0, deadline - nanoTime.getAsLong());
  }

  /** With git-remote-https and whatever else it started. */
  private static void kill(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
