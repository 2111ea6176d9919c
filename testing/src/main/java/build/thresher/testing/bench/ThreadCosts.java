package build.thresher.testing.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * CPU nanoseconds of this process by what its threads are for, as Linux counts them: the JVM's own
 * and those of libraries among them. Threads that have ended are not counted.
 */
final class ThreadCosts {
  private static final Path TASKS = Path.of("/proc/self/task");

  private final Map<Kind, Long> nanos = new EnumMap<>(Kind.class);

  /** What a thread is for. */
  enum Kind {
    CORE("the core's thread"),
    CALLS("threads of calls"),
    CONNECTIONS("threads of connections"),
    COLLECTOR("the JVM's garbage collector"),
    COMPILER("the JVM's compiler"),
    PEERS("clients and executors"),
    OTHER("other threads");

    final String title;

    Kind(String title) {
      this.title = title;
    }

    /**
     * @param thread its name; Linux keeps 15 characters of it
     */
    static Kind of(String thread) {
      if (thread.startsWith("C1 ") || thread.startsWith("C2 ")) {
        return COMPILER;
      }
      if (thread.startsWith("G1 ") || thread.startsWith("GC Thread")) {
        return COLLECTOR;
      }
      if (thread.startsWith("ForkJoinPool")) {
        return CALLS;
      }
      if (thread.startsWith("grpc-")) {
        return CONNECTIONS;
      }
      return switch (thread) {
        case "scheduler-core" -> CORE;
        case Peers.THREAD -> PEERS;
        default -> OTHER;
      };
    }
  }

  private ThreadCosts() {}

  static ThreadCosts now() {
    ThreadCosts costs = new ThreadCosts();
    try {
      List<Path> tasks;
      try (Stream<Path> listing = Files.list(TASKS)) {
        tasks = listing.toList();
      }
      for (Path task : tasks) {
        Kind kind = Kind.of(Files.readString(task.resolve("comm")).strip());
        String times = Files.readString(task.resolve("schedstat"));
        costs.nanos.merge(kind, Long.parseLong(times.split(" ", 2)[0]), Long::sum);
      }
      return costs;
    } catch (IOException e) {
      throw new UncheckedIOException("only Linux says what each thread costs", e);
    }
  }

  long of(Kind kind) {
    return nanos.getOrDefault(kind, 0L);
  }
}
