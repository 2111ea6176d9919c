package build.thresher.scheduler.core;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Ready tasks with equal requirements. Lives while there are any. Compared by identity. */
final class RequirementClass {
  final Requirements requirements;
  final Set<Task> tasks = new LinkedHashSet<>();

  /** Answers are kept: an executor does not change while it is registered. */
  private final Map<ExecutorPool.Member, Boolean> answers = new HashMap<>();

  /** Since when no registered executor could run it; null while one can. */
  @Nullable Long unmatchedSinceNanos;

  /** Why, for people. */
  String reason = "";

  /** State of the executor pool that the two fields above are true for. */
  long poolVersion = -1;

  RequirementClass(Requirements requirements) {
    this.requirements = requirements;
  }

  boolean runsOn(ExecutorPool.Member member) {
    return answers.computeIfAbsent(member, m -> m.capabilities.lacksFor(requirements).isEmpty());
  }

  void forget(ExecutorPool.Member member) {
    answers.remove(member);
  }
}
