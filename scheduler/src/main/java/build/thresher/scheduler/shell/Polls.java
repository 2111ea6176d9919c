package build.thresher.scheduler.shell;

import build.thresher.scheduler.core.Effect;
import com.google.common.collect.ImmutableList;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Lease calls that wait in the core, by the number that the core knows them by. Any thread. */
public final class Polls {
  private final Map<Long, CompletableFuture<ImmutableList<Effect.Grant>>> waiting =
      new ConcurrentHashMap<>();
  private final AtomicLong ids = new AtomicLong();

  /** A waiting call. */
  public record Poll(long id, CompletableFuture<ImmutableList<Effect.Grant>> answer) {}

  public Poll begin() {
    Poll poll = new Poll(ids.incrementAndGet(), new CompletableFuture<>());
    waiting.put(poll.id(), poll.answer());
    return poll;
  }

  /** Forgets the call. Ends it for whoever waits for it. */
  public void end(Poll poll) {
    waiting.remove(poll.id());
    poll.answer().cancel(false);
  }

  void answer(Effect.AnswerPoll effect) {
    CompletableFuture<ImmutableList<Effect.Grant>> answer = waiting.remove(effect.pollId());
    if (answer != null) {
      answer.complete(effect.grants());
    }
  }

  /** True if somebody still waits for this. */
  boolean isWaiting(long pollId) {
    return waiting.containsKey(pollId);
  }

  void failAll() {
    UnavailableException why = new UnavailableException("the scheduler loads its state", null);
    waiting.values().forEach(answer -> answer.completeExceptionally(why));
    waiting.clear();
  }
}
