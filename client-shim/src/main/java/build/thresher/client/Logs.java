package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
import build.thresher.v1.Task;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;

/** Reads logs of executions. */
final class Logs {
  private final FarmGrpc.FarmBlockingStub farm;

  Logs(FarmGrpc.FarmBlockingStub farm) {
    this.farm = farm;
  }

  /** Copies a log from an offset on. */
  void copy(String execution, long offset, boolean follow, OutputStream out) throws IOException {
    Iterator<ReadLogResponse> chunks =
        farm.readLog(
            ReadLogRequest.newBuilder()
                .setExecution(execution)
                .setOffset(offset)
                .setFollow(follow)
                .build());
    while (chunks.hasNext()) {
      chunks.next().getData().writeTo(out);
      out.flush();
    }
  }

  /** Saves a log where the user can open it later. */
  Path save(Task task) throws IOException {
    Path directory = cache().resolve("logs");
    Files.createDirectories(directory);
    Path file = directory.resolve(fileName(task));
    try (OutputStream out = Files.newOutputStream(file)) {
      copy(task.getExecution(), 0, false, out);
    }
    return file;
  }

  /** Names come from the farm: what could lead out of the directory does not get into a path. */
  private static String fileName(Task task) {
    String name = (task.getName() + "-" + task.getHash()).replaceAll("[^A-Za-z0-9_.-]", "_");
    return name.substring(0, Math.min(name.length(), 200)) + ".log";
  }

  static Path cache() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base =
        xdg == null || xdg.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(xdg);
    return base.resolve("thresher");
  }
}
