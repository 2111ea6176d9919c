package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A task at one moment: what is stored and what is shown.
 *
 * @param id unique among the tasks that are stored; 0 for one that never came to life
 * @param attempt number of the current or last lease
 * @param spent attempts that count against the limit
 * @param memoryLimitBytes 0 for none
 * @param phase for people: what the build is doing, or why the task waits
 * @param waitsFor hashes of the tasks that are not done yet
 */
public record TaskSnapshot(
    long id,
    TaskKey key,
    String name,
    String version,
    TaskState state,
    int attempt,
    int spent,
    long memoryLimitBytes,
    String phase,
    @Nullable Execution execution,
    Ending ending,
    @Nullable Instant finished,
    ImmutableList<String> waitsFor) {

  /** A task that ends for a request before there was anything to run. */
  static TaskSnapshot unborn(Definition d, TaskState state, Ending ending, Instant finished) {
    return new TaskSnapshot(
        0,
        d.key(),
        d.name(),
        d.version(),
        state,
        0,
        0,
        0,
        "",
        null,
        ending,
        finished,
        ImmutableList.of());
  }

  /** The same task as it ended for one request that did not wait for its end. */
  TaskSnapshot endedEarly(TaskState state, String phase, Instant finished) {
    return new TaskSnapshot(
        id,
        key,
        name,
        version,
        state,
        attempt,
        spent,
        memoryLimitBytes,
        phase,
        execution,
        ending,
        finished,
        ImmutableList.of());
  }
}
