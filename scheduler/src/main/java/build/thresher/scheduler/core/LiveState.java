package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import org.jspecify.annotations.Nullable;

/** What a store gives back after a restart: all that is not over. */
public record LiveState(
    long epoch,
    ImmutableList<LiveRequest> requests,
    ImmutableList<LiveTask> tasks,
    ImmutableMap<String, Double> durations) {

  /**
   * @param holds in order of position
   */
  public record LiveRequest(RequestHead head, ImmutableList<LiveHold> holds) {}

  /**
   * One of {@code ended} and {@code taskId}.
   *
   * @param ended how the task ended for the request; null while it has not
   */
  public record LiveHold(
      int position, long taskId, @Nullable Definition own, @Nullable TaskSnapshot ended) {}

  public record LiveTask(Definition definition, TaskSnapshot task) {}
}
