package build.thresher.client;

import build.thresher.v1.InstanceStatus;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Lets a Spack of this machine know a mirror. Only Spack itself writes Spack's configuration. */
final class MirrorAdder {
  private final String spack;

  MirrorAdder(String spack) {
    this.spack = spack;
  }

  /** The program that is meant: as given, of SPACK_ROOT, or on PATH. */
  static String spack(String given) {
    String root = System.getenv("SPACK_ROOT");
    if (!given.isEmpty()) {
      return given;
    }
    return root == null || root.isBlank() ? "spack" : root + "/bin/spack";
  }

  int add(InstanceStatus instance, String name, String scope) throws IOException, ClientException {
    List<String> add = new ArrayList<>(List.of(spack, "mirror", "add", "--type", "binary"));
    if (!scope.isEmpty()) {
      add.addAll(List.of("--scope", scope));
    }
    add.addAll(List.of(name, instance.getMirrorUrl()));
    int exitCode = run(add);
    if (exitCode != 0) {
      return exitCode;
    }
    // A scope of this call's own that knows this mirror alone: no other mirror's key is trusted.
    Path own = Files.createTempDirectory("thresher-mirror-");
    Path file = own.resolve("mirrors.yaml");
    try {
      Files.writeString(file, "mirrors::\n  farm:\n    url: " + instance.getMirrorUrl() + "\n");
      List<String> keys =
          List.of(spack, "-C", own.toString(), "buildcache", "keys", "--install", "--trust");
      List<String> answered = new ArrayList<>(keys);
      answered.add("-y"); // which versions before 1.2 do not know, nor ask
      return runQuietly(answered) == 0 ? 0 : run(keys);
    } finally {
      Files.deleteIfExists(file);
      Files.deleteIfExists(own);
    }
  }

  private static int run(List<String> command) throws IOException, ClientException {
    return end(new ProcessBuilder(command).inheritIO(), command);
  }

  private static int runQuietly(List<String> command) throws IOException, ClientException {
    return end(
        new ProcessBuilder(command)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD),
        command);
  }

  private static int end(ProcessBuilder builder, List<String> command)
      throws IOException, ClientException {
    Process process;
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new ClientException(
          ClientException.USAGE,
          "cannot run `" + command.getFirst() + "`: name your Spack with --spack or SPACK_ROOT");
    }
    try {
      return process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      process.destroy();
      throw new InterruptedIOException("interrupted while Spack ran");
    }
  }
}
