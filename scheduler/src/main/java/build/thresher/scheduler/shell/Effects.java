package build.thresher.scheduler.shell;

import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.store.TaskStore;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What the core's effects do. Nothing here blocks but the looks into the failure store and the
 * action cache, which are short and must be on the core's thread: only there is nothing published
 * or failed meanwhile.
 */
public final class Effects implements CoreLoop.Surroundings {
  private static final Duration LOOKUP_MEMORY = Duration.ofMinutes(1);

  private final TaskStore store;
  private final BlobStore blobs;
  private final SpackMirror mirror;
  private final ActionCache actionCache;
  private final Polls polls;
  private final Watchers watchers;
  private final Consumer<Effect.Publish> publisher;
  private final Consumer<Event> undelivered;
  private final InstantSource wall;

  /**
   * Actions whose results went into the cache a moment ago, where a client may have looked in vain
   * before. Known from the time that they begin to go there: the next request for one may be in the
   * same batch as the end of the publication, whose effects nobody has run by then.
   */
  private final Cache<TaskKey, Boolean> justRan =
      CacheBuilder.newBuilder().expireAfterWrite(LOOKUP_MEMORY).maximumSize(100_000).build();

  public Effects(
      TaskStore store,
      BlobStore blobs,
      SpackMirror mirror,
      ActionCache actionCache,
      Polls polls,
      Watchers watchers,
      Consumer<Effect.Publish> publisher,
      Consumer<Event> undelivered,
      InstantSource wall) {
    this.store = store;
    this.blobs = blobs;
    this.mirror = mirror;
    this.actionCache = actionCache;
    this.polls = polls;
    this.watchers = watchers;
    this.publisher = publisher;
    this.undelivered = undelivered;
    this.wall = wall;
  }

  @Override
  public Event prepare(Event event) throws IOException {
    return event instanceof Event.Submit submit ? complete(submit) : event;
  }

  /**
   * Between the expansion and now, tasks may have been published, or may have failed; and when the
   * client has called twice, the whole request may have come and gone.
   */
  private Event complete(Event.Submit submit) throws IOException {
    if (store.finishedRequest(submit.head().id()).isPresent()) {
      return new Event.SubmitAgain(submit.head().id());
    }
    ImmutableSet.Builder<String> published = ImmutableSet.builder();
    ImmutableList.Builder<TaskKey> keys = ImmutableList.builder();
    for (Definition task : submit.tasks()) {
      TaskKey key = task.key();
      switch (task.work()) {
        case SpackWork work -> {
          keys.add(key);
          if (isServed(key)) {
            published.add(key.hash());
          }
        }
        case ActionWork work -> {
          if (isRemembered(key, work)) {
            published.add(key.hash());
          }
        }
      }
    }
    return new Event.Submit(
        submit.head(),
        submit.tasks(),
        published.build(),
        ImmutableList.copyOf(store.failures(keys.build(), wall.instant())));
  }

  /** Found with all its blobs: one that lost them is about to be built again. */
  private boolean isServed(TaskKey key) throws IOException {
    Optional<SpackMirror.PublishedSpec> spec = mirror.find(key.instance(), new DagHash(key.hash()));
    return spec.isPresent()
        && blobs
            .findMissing(
                Scope.farm(key.instance()), List.of(spec.get().archive(), spec.get().spec()))
            .isEmpty();
  }

  /** The client has looked before; only what ended since is worth a look. */
  private boolean isRemembered(TaskKey key, ActionWork work) throws IOException {
    return !work.skipCacheLookup()
        && !work.doNotCache()
        && justRan.getIfPresent(key) != null
        && actionCache.find(Scope.farm(key.instance()), work.action()).isPresent();
  }

  @Override
  public void run(Effect effect) {
    switch (effect) {
      case Effect.AnswerPoll e -> {
        if (polls.isWaiting(e.pollId())) {
          polls.answer(e);
        } else {
          e.grants().forEach(grant -> undelivered.accept(new Event.Undelivered(grant.fence())));
        }
      }
      case Effect.Publish e -> {
        if (e.outputs() instanceof ActionOutputs) {
          justRan.put(e.definition().key(), true);
        }
        publisher.accept(e);
      }
      case Effect.TaskChanged e -> watchers.tell(e);
      case Effect.RequestFinished e -> watchers.finished(e.request());
    }
  }

  @Override
  public void reloaded() {
    polls.failAll();
    watchers.loseAll();
  }
}
