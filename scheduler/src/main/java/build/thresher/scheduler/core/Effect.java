package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;

/** What is to be done once the records are stored; dropped if they could not be. */
public sealed interface Effect {

  /** Answer a waiting call; no grants when its time is up. */
  record AnswerPoll(long pollId, ImmutableList<Grant> grants) implements Effect {}

  /** A lease. */
  record Grant(Fence fence, Definition definition, String client, long memoryLimitBytes) {}

  /** Make a result visible, then say so with one of the three publish events. */
  record Publish(Definition definition, Execution execution, Outputs outputs) implements Effect {}

  /** Tell those who watch these requests. */
  record TaskChanged(ImmutableSet<String> requestIds, TaskSnapshot task) implements Effect {}

  /** Tell those who watch it how it ended, which is stored. */
  record RequestFinished(RequestSnapshot request) implements Effect {}
}
