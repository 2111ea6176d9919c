package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ReadLogResponse;
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
  Path save(String execution, String name) throws IOException {
    Path directory = cache().resolve("logs");
    Files.createDirectories(directory);
    Path file = directory.resolve(name + ".log");
    try (OutputStream out = Files.newOutputStream(file)) {
      copy(execution, 0, false, out);
    }
    return file;
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
