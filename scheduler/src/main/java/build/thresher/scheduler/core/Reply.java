package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;

/** What the sender of an event is told, once its consequences are stored. */
public sealed interface Reply {
  /** Done, or nothing to do. */
  record Done() implements Reply {}

  /** The request is accepted, or was before. */
  record Accepted(String requestId) implements Reply {}

  /** Over a documented limit. */
  record OverLimit(String message) implements Reply {}

  /** No such request is active. */
  record UnknownRequest() implements Reply {}

  /** Register first. */
  record UnknownExecutor() implements Reply {}

  /** Leases that are not honoured. */
  record Registered(ImmutableList<Fence> refused) implements Reply {}

  /** Leases to end at once. */
  record Renewed(ImmutableList<Fence> kill) implements Reply {}

  /** The fence is old, or the task is gone. */
  record StaleFence() implements Reply {}
}
