package build.thresher.scheduler.shell;

import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.store.TaskStore.Page;
import build.thresher.scheduler.store.TaskStore.RequestQuery;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/**
 * Requests as their clients see them, whether they are live or history: what was accepted is found,
 * followed and cancelled here. Both kinds of work; any thread; blocks.
 *
 * <p>A REAPI action is a request with one task. To run one:
 *
 * <ol>
 *   <li>Make up a request id; {@code <instance>/operations/<id>} is the operation's name. Build a
 *       {@code RequestHead} of kind ACTION whose only root is the task's hash, and a {@code
 *       Definition} with {@code TaskKey.action} (or {@code unsharedAction} for do_not_cache),
 *       {@code ActionWork} and {@code ActionRequirements.of(platform)}; no dependencies.
 *   <li>{@link #run} an {@code Event.Submit} of the two, its last two lists empty. When the
 *       follower has joined, the action is on disk, and joined to a run in flight if there is one.
 *       The task's state says the stage: WAITING and READY are QUEUED, LEASED and PUBLISHING are
 *       EXECUTING; its {@code phase} says why it waits, its {@code execution} names the live log.
 *       {@code finished} has the end: {@code ending.outputs} is an {@code ActionOutputs}, or {@code
 *       ending.failure} says why there is none, missing blobs included. Where the request has no
 *       task but names the hash as {@code cached}, somebody finished it just before: the result is
 *       in the action cache.
 *   <li>{@link #find}, {@link #cancel} and {@link #list} serve the Operations service.
 * </ol>
 */
public final class Requests {
  private final CoreLoop core;
  private final Watchers watchers;
  private final History history;

  public Requests(CoreLoop core, Watchers watchers, History history) {
    this.core = core;
    this.watchers = watchers;
    this.history = history;
  }

  /** Hears of a request. What it throws ends the following. */
  public interface Follower {
    /** How the request stands. Comes again where the scheduler had to start over. */
    void joined(RequestSnapshot request) throws Exception;

    void changed(TaskSnapshot task) throws Exception;

    /** Nothing happened for a while. */
    void idle() throws Exception;

    /** The request as it ended; nothing follows. */
    void finished(RequestSnapshot request) throws Exception;
  }

  /** Returns once the request is on disk, or says why it was not accepted. */
  public Reply submit(Event.Submit request) throws UnavailableException, InterruptedException {
    return core.apply(request);
  }

  /** The request as it stands, or as it ended. */
  public Optional<RequestSnapshot> find(String id)
      throws UnavailableException, IOException, InterruptedException {
    Optional<RequestSnapshot> live = core.ask(view -> view.request(id));
    return live.isPresent() ? live : history.request(id);
  }

  /** The request that waits for this key, or that last did. */
  public Optional<String> latest(TaskKey key)
      throws UnavailableException, IOException, InterruptedException {
    Optional<String> live = core.ask(view -> view.requestFor(key));
    return live.isPresent() ? live : history.latestRequest(key);
  }

  public Page list(RequestQuery query) throws IOException, InterruptedException {
    return history.requests(query);
  }

  /** Lets the request go of its task; true if it was active. */
  public boolean cancel(String id) throws UnavailableException, InterruptedException {
    return core.apply(new Event.Cancel(id)) instanceof Reply.Done;
  }

  /** A watch, and the state that it goes on from. */
  private record Joined(Watchers.Watch watch, RequestSnapshot state) {}

  /**
   * Tells all that happens to a request until it is over.
   *
   * @param patience how long it may be silent before the follower is told so
   * @return false when there is no such request, or no longer
   */
  public boolean follow(String id, Duration patience, Follower follower) throws Exception {
    while (true) {
      Optional<Joined> joined =
          core.ask(view -> view.request(id).map(r -> new Joined(watchers.add(id), r)));
      if (joined.isEmpty()) {
        Optional<RequestSnapshot> finished = history.request(id);
        if (finished.isPresent()) {
          follower.finished(finished.get());
        }
        return finished.isPresent();
      }
      try {
        follower.joined(joined.get().state());
        if (tellNews(joined.get().watch(), patience, follower)) {
          return true;
        }
      } finally {
        watchers.remove(joined.get().watch());
      }
    }
  }

  /**
   * Submits a request with an id that was never used, and follows it where it is accepted. Says
   * what was answered to the submission.
   *
   * @param patience how long it may be silent before the follower is told so
   */
  public Reply run(Event.Submit request, Duration patience, Follower follower) throws Exception {
    String id = request.head().id();
    Watchers.Watch watch = watchers.add(id); // first: it hears of all that the submission does
    try {
      Reply reply = core.apply(request);
      if (!(reply instanceof Reply.Accepted)) {
        return reply;
      }
      follower.joined(
          new RequestSnapshot(request.head(), RequestState.ACTIVE, null, ImmutableList.of()));
      if (tellNews(watch, patience, follower)) {
        return reply;
      }
    } finally {
      watchers.remove(watch);
    }
    follow(id, patience, follower);
    return new Reply.Accepted(id);
  }

  /** Until the request has ended, which is true, or the watch hears nothing any more. */
  private static boolean tellNews(Watchers.Watch watch, Duration patience, Follower follower)
      throws Exception {
    while (true) {
      Watchers.News news = watch.take(patience);
      for (TaskSnapshot task : news.tasks()) {
        follower.changed(task);
      }
      if (news.finished().isPresent()) {
        follower.finished(news.finished().get());
        return true;
      }
      if (news.lost()) {
        return false;
      }
      if (news.tasks().isEmpty()) {
        follower.idle();
      }
    }
  }
}
