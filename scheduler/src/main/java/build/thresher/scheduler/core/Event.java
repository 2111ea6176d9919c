package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;

/**
 * Everything that can happen to the core. Parsed and bounded before it gets here; names that must
 * be unique come along, because the core makes none up.
 */
public sealed interface Event {

  /**
   * Somebody wants something built.
   *
   * @param tasks what has to be built, dependencies first
   * @param published hashes of {@code tasks} that were published since they were looked up
   * @param remembered what the failure store holds about them
   */
  record Submit(
      RequestHead head,
      ImmutableList<Definition> tasks,
      ImmutableSet<String> published,
      ImmutableList<RememberedFailure> remembered)
      implements Event {}

  /** A submission that came again after its request had ended; nothing begins anew. */
  record SubmitAgain(String requestId) implements Event {}

  /** A request lets go of its tasks. */
  record Cancel(String requestId) implements Event {}

  /** An executor says what it is, and which leases it believes to hold. */
  record Register(
      ExecutorId executor, int slots, Capabilities capabilities, ImmutableList<Fence> held)
      implements Event {}

  /**
   * An executor asks for work and waits for it.
   *
   * @param pollId names the waiting call
   * @param ids unique parts of execution names, one for each lease that it can take
   * @param waitNanos how long the call may be held
   */
  record LeaseAsk(long pollId, ExecutorId executor, ImmutableList<String> ids, long waitNanos)
      implements Event {}

  /** The call is gone; nobody waits for its answer. */
  record PollGone(long pollId) implements Event {}

  /** A lease that was granted and could not be handed over. Costs the task no attempt. */
  record Undelivered(Fence fence) implements Event {}

  /** An executor still works on these. */
  record Renew(ExecutorId executor, ImmutableList<Progress> leases) implements Event {}

  /** One of them, and what it is doing. */
  record Progress(Fence fence, String phase) {}

  /** An execution ended. What it names is in the store. */
  record Complete(Fence fence, Ending ending) implements Event {}

  /**
   * An execution came to nothing, because results of others that it needs are gone: they are made
   * again, and its task waits for them.
   *
   * @param producers what has to be made again, dependencies first
   */
  record InputsLost(Fence fence, Ending ending, ImmutableList<Definition> producers)
      implements Event {}

  /** The result is visible to everybody. */
  record PublishDone(Fence fence) implements Event {}

  /** This result never will be visible: it breaks a rule, or lost a blob. */
  record PublishRefused(Fence fence, Failure failure) implements Event {}

  /** The result could not be made visible now. */
  record PublishFailed(Fence fence, String reason) implements Event {}

  /** Time has passed. */
  record Tick() implements Event {}
}
