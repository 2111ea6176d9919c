package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A live request. Plain mutable state of the core. */
final class Request {
  final RequestHead head;

  /** Later requests have higher ones. */
  final long number;

  private final OpenTasks openTasks;

  /** By hash, dependencies first. */
  final Map<String, Hold> holds = new LinkedHashMap<>();

  private int open;

  /** Set once nothing more may be handed out for it. */
  boolean stopped;

  Request(RequestHead head, long number, OpenTasks openTasks) {
    this.head = head;
    this.number = number;
    this.openTasks = openTasks;
  }

  /** One more hold that has not ended. */
  void opened() {
    open++;
    openTasks.add(user());
  }

  /** One of its holds has ended. */
  void settled() {
    open--;
    openTasks.remove(user());
  }

  private String user() {
    return ClientName.of(head.client()).user();
  }

  /** Whether all holds have ended. */
  boolean isOver() {
    return open == 0;
  }

  /**
   * A hold on a task that the request did not expect: the result was there before, or was made by a
   * task of the request, and was lost.
   */
  Hold reopen(Definition wanted) {
    Hold before = holds.get(wanted.key().hash());
    Hold hold = new Hold(this, before == null ? holds.size() : before.position, wanted);
    holds.put(wanted.key().hash(), hold);
    opened();
    return hold;
  }

  /** How it ends, all holds having ended: a root that is no task was published before. */
  RequestState verdict() {
    for (String root : head.roots()) {
      Hold hold = holds.get(root);
      if (hold != null && (hold.ended == null || hold.ended.state() != TaskState.SUCCEEDED)) {
        return RequestState.FAILED;
      }
    }
    return RequestState.SUCCEEDED;
  }

  RequestSnapshot snapshot(RequestState state, @Nullable Instant finished) {
    ImmutableList.Builder<TaskSnapshot> tasks = ImmutableList.builder();
    for (Hold hold : holds.values()) {
      if (hold.ended != null) {
        tasks.add(hold.ended);
      } else if (hold.task != null) {
        tasks.add(hold.task.snapshot());
      }
    }
    return new RequestSnapshot(head, state, finished, tasks.build());
  }
}
