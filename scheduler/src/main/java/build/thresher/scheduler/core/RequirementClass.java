package build.thresher.scheduler.core;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Ready tasks that the same executors can run. Lives while there are any. Compared by identity. */
final class RequirementClass {
  final Needs needs;
  final Set<Task> tasks = new LinkedHashSet<>();

  /** Answers are kept: an executor does not change while it is registered. */
  private final Map<ExecutorPool.Member, Boolean> answers = new HashMap<>();

  /** Since when no registered executor could run it; null while one can. */
  @Nullable Long unmatchedSinceNanos;

  /** Why, for people. */
  String reason = "";

  /** State of the executor pool that the two fields above are true for. */
  long poolVersion = -1;

  /**
   * What makes a class.
   *
   * @param memoryBytes what was not enough at an earlier attempt, and more; 0 at first
   * @param sandbox whether the instance wants one for what it runs
   */
  record Needs(Requirements requirements, long memoryBytes, boolean sandbox) {}

  RequirementClass(Needs needs) {
    this.needs = needs;
  }

  boolean runsOn(ExecutorPool.Member member) {
    return answers.computeIfAbsent(member, m -> lackingOn(m).isEmpty());
  }

  /** Why the executor cannot run them, in words for people; empty if it can. */
  Optional<String> lackingOn(ExecutorPool.Member member) {
    long has = member.capabilities.memoryBytes();
    if (has > 0 && has < needs.memoryBytes()) {
      return Optional.of(
          "it has "
              + mebibytes(has)
              + " of memory, and "
              + mebibytes(needs.memoryBytes())
              + " are wanted after an attempt that had too little");
    }
    if (needs.sandbox() && member.capabilities.isPlain()) {
      return Optional.of("it has no sandbox, and the instance wants one");
    }
    return member.capabilities.lacksFor(needs.requirements());
  }

  private static String mebibytes(long bytes) {
    return (bytes >> 20) + " MiB";
  }

  void forget(ExecutorPool.Member member) {
    answers.remove(member);
  }
}
