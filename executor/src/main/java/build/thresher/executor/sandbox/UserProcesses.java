package build.thresher.executor.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All processes of a user of this host, whatever they descend from. Stateless. */
final class UserProcesses {
  private static final Logger log = LoggerFactory.getLogger(UserProcesses.class);
  private static final int ROUNDS = 1000;
  private static final Duration PAUSE = Duration.ofMillis(5);

  private UserProcesses() {}

  /** Returns when there is none, also where they start others meanwhile. For root. */
  static void kill(int uid) {
    for (int round = 0; round < ROUNDS; round++) {
      List<ProcessHandle> left = of(uid);
      if (left.isEmpty()) {
        return;
      }
      left.forEach(ProcessHandle::destroyForcibly);
      try {
        Thread.sleep(PAUSE);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
    log.warn("processes of user {} cannot be killed", uid);
  }

  private static List<ProcessHandle> of(int uid) {
    return ProcessHandle.allProcesses().filter(process -> isOf(process.pid(), uid)).toList();
  }

  /** Those that have ended and that nobody reaps are nobody's. */
  private static boolean isOf(long pid, int uid) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/" + pid + "/status"))) {
      List<String> told =
          lines.filter(line -> line.startsWith("State:") || line.startsWith("Uid:")).toList();
      return told.size() == 2
          && !told.getFirst().matches("State:\\s+[ZX].*")
          && told.getLast().split("\\s+", -1)[1].equals(Integer.toString(uid));
    } catch (IOException | RuntimeException e) {
      return false; // It has ended meanwhile.
    }
  }
}
