package build.thresher.scheduler.shell;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Core;
import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.core.CoreView;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Now;
import build.thresher.scheduler.core.Outcome;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.store.TaskStore;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that feeds the core. It takes all events that wait, applies each, stores what they
 * changed in one batch, and only then answers anybody and runs effects. The batch is on disk by
 * then where one of its outcomes has to be; otherwise it is within two ticks, or with the next.
 * While every executor is at work and tasks wait, events that end in a sync wait a moment for each
 * other ({@link Waiting}).
 *
 * <p>When a batch cannot be stored, its callers are told so, its effects are dropped, and the state
 * is loaded again; until that works nothing is accepted.
 *
 * <p>Threading: any thread may call {@link #apply}, {@link #post} and {@link #ask}; effects and
 * questions run on the loop's thread and must not block.
 */
public final class CoreLoop implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(CoreLoop.class);
  private static final int MAX_BATCH = 512;
  private static final Duration TICK = Duration.ofMillis(200);
  private static final Duration RELOAD_PAUSE = Duration.ofSeconds(1);

  /** What the loop does for others. */
  public interface Surroundings {
    /** Completes an event with what is only known now. May read the store. */
    Event prepare(Event event) throws IOException;

    /** Runs an effect; never blocks. */
    void run(Effect effect);

    /** Calls that wait in the core that was thrown away wait in vain. */
    void reloaded();
  }

  private sealed interface Item {
    record Apply(Event event, CompletableFuture<Reply> reply) implements Item {}

    record Ask(Function<CoreView, Object> question, CompletableFuture<Object> answer)
        implements Item {}
  }

  private final CoreOptions options;
  private final TaskStore store;
  private final Surroundings surroundings;
  private final InstantSource wall;
  private final LongSupplier nanoTime;
  private final BlockingQueue<Item> queue = new LinkedBlockingQueue<>();

  /** Of the loop's thread. */
  private final Waiting<Item> waiting = new Waiting<>();

  private final AtomicLong commits = new AtomicLong();
  private final Thread thread;
  private volatile boolean closing;
  private volatile @Nullable Core core;
  private long lastTickNanos;

  /** What was stored last may not be on disk. */
  private boolean unsynced;

  public CoreLoop(
      CoreOptions options,
      TaskStore store,
      Surroundings surroundings,
      InstantSource wall,
      LongSupplier nanoTime) {
    this.options = options;
    this.store = store;
    this.surroundings = surroundings;
    this.wall = wall;
    this.nanoTime = nanoTime;
    this.thread = Thread.ofPlatform().name("scheduler-core").unstarted(this::run);
  }

  /** Loads the state and begins. */
  public void start() throws IOException {
    core = load();
    thread.start();
  }

  /** Lets an event happen; returns when its consequences are stored. */
  public Reply apply(Event event) throws UnavailableException, InterruptedException {
    return await(begin(event));
  }

  /**
   * Lets an event happen; the reply comes when its consequences are stored. What follows it runs on
   * the loop's thread and must not block.
   */
  public CompletableFuture<Reply> begin(Event event) {
    CompletableFuture<Reply> reply = new CompletableFuture<>();
    enqueue(new Item.Apply(event, reply));
    return reply;
  }

  /** Lets an event happen; nobody waits for it. */
  public void post(Event event) {
    enqueue(new Item.Apply(event, new CompletableFuture<>()));
  }

  /** Asks about the state as it is stored. The question runs on the loop's thread. */
  @SuppressWarnings("unchecked") // the answer is what the question gave
  public <T> T ask(Function<CoreView, T> question)
      throws UnavailableException, InterruptedException {
    CompletableFuture<Object> answer = new CompletableFuture<>();
    enqueue(new Item.Ask(view -> question.apply(view), answer));
    return (T) await(answer);
  }

  /** Of the state that is loaded; 0 while none is. */
  public long epoch() {
    Core current = core;
    return current == null ? 0 : current.epoch();
  }

  /** Whether a state is loaded, so that events can happen. */
  public boolean takesEvents() {
    return core != null && !closing;
  }

  /** Waits for the disk so far: batches that were synced, and syncs. */
  public long commits() {
    return commits.get();
  }

  private void enqueue(Item item) {
    queue.add(item);
    if (closing) {
      failQueued(new UnavailableException("the scheduler is stopping", null));
    }
  }

  private static <T> T await(CompletableFuture<T> future)
      throws UnavailableException, InterruptedException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof UnavailableException u) {
        throw new UnavailableException(String.valueOf(u.getMessage()), u);
      }
      throw new IllegalStateException("the scheduler's core failed", e.getCause());
    }
  }

  private void run() {
    try {
      loop();
    } finally {
      closing = true; // however it ended: nobody waits for a loop that is gone
      UnavailableException why = new UnavailableException("the scheduler is stopping", null);
      waiting.take(false).forEach(item -> fail(item, why));
      failQueued(why);
    }
  }

  private void loop() {
    while (!closing) {
      try {
        boolean came = gather();
        long now = nanoTime.getAsLong();
        boolean tick = now - lastTickNanos >= TICK.toNanos();
        if (tick) {
          lastTickNanos = now;
          Item item = new Item.Apply(new Event.Tick(), new CompletableFuture<>());
          waiting.add(item, Waiting.Hurry.IN_ORDER, now);
        }
        boolean mayWait =
            came && !closing && waiting.leftNanos(now) > 0 && waiting.size() < MAX_BATCH;
        List<Item> batch = waiting.take(mayWait && isSaturated());
        if (!batch.isEmpty()) {
          process(batch, tick);
        }
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private boolean isSaturated() {
    Core current = core;
    return current != null && current.view().isSaturated();
  }

  /** Waits for something to come, which is true, or until what is here has waited long enough. */
  private boolean gather() throws InterruptedException {
    Item first = queue.poll(patienceNanos(), TimeUnit.NANOSECONDS);
    if (first == null) {
      return false;
    }
    List<Item> came = new ArrayList<>();
    came.add(first);
    queue.drainTo(came, MAX_BATCH - 1);
    long now = nanoTime.getAsLong();
    came.forEach(item -> waiting.add(item, hurry(item), now));
    return true;
  }

  private long patienceNanos() {
    if (waiting.isEmpty()) {
      return TICK.toNanos();
    }
    return isSaturated() ? waiting.leftNanos(nanoTime.getAsLong()) : 0;
  }

  private static Waiting.Hurry hurry(Item item) {
    return switch (item) {
      case Item.Ask ask -> Waiting.Hurry.OVERTAKES;
      case Item.Apply apply ->
          switch (apply.event()) {
            case Event.LeaseAsk e -> Waiting.Hurry.OVERTAKES;
            case Event.Submit e -> Waiting.Hurry.NONE;
            case Event.Complete e -> Waiting.Hurry.NONE;
            case Event.PublishDone e -> Waiting.Hurry.NONE;
            default -> Waiting.Hurry.IN_ORDER;
          };
    };
  }

  @SuppressWarnings("IllegalCatch") // whatever went wrong, the state is loaded again
  private void process(List<Item> batch, boolean tick) throws InterruptedException {
    Core current = core;
    try {
      if (current == null) {
        throw new IOException("no state is loaded");
      }
      List<Outcome> outcomes = new ArrayList<>();
      List<Item.Apply> applied = new ArrayList<>();
      List<Change> changes = new ArrayList<>();
      for (Item item : batch) {
        if (item instanceof Item.Apply apply) {
          Outcome outcome = current.apply(surroundings.prepare(apply.event()), now());
          outcomes.add(outcome);
          applied.add(apply);
          changes.addAll(outcome.changes());
        }
      }
      store(current.epoch(), changes, outcomes.stream().anyMatch(Outcome::mustLast), tick);
      for (int i = 0; i < outcomes.size(); i++) {
        applied.get(i).reply().complete(outcomes.get(i).reply());
      }
      outcomes.forEach(o -> o.effects().forEach(surroundings::run));
      for (Item item : batch) {
        if (item instanceof Item.Ask ask) {
          answer(ask, current.view());
        }
      }
    } catch (IOException | RuntimeException e) {
      log.error("a batch of {} events was not stored; loading the state again", batch.size(), e);
      UnavailableException why =
          new UnavailableException("the scheduler could not store it; try again", e);
      batch.forEach(item -> fail(item, why));
      reload();
    }
  }

  private void store(long epoch, List<Change> changes, boolean mustLast, boolean tick)
      throws IOException {
    if (!changes.isEmpty() && !mustLast) {
      store.write(epoch, changes);
      unsynced = true;
    }
    if (mustLast) {
      store.commit(epoch, changes);
    } else if (tick && unsynced) {
      store.sync();
    } else {
      return;
    }
    unsynced = false;
    commits.incrementAndGet();
  }

  private static void answer(Item.Ask ask, CoreView view) {
    try {
      ask.answer().complete(ask.question().apply(view));
    } catch (RuntimeException e) {
      ask.answer().completeExceptionally(e);
    }
  }

  private void reload() throws InterruptedException {
    core = null;
    surroundings.reloaded();
    while (!closing) {
      try {
        core = load();
        return;
      } catch (IOException | RuntimeException e) {
        log.error("the state could not be loaded; nothing is accepted until it can", e);
        failQueued(new UnavailableException("the scheduler's store does not answer", e));
        Thread.sleep(RELOAD_PAUSE);
      }
    }
  }

  private Core load() throws IOException {
    long epoch = store.open();
    Core loaded = Core.load(options, store.loadLive(), now());
    loaded.resume().effects().forEach(surroundings::run);
    log.info("scheduler state loaded, epoch {}", epoch);
    return loaded;
  }

  private Now now() {
    return new Now(nanoTime.getAsLong(), wall.instant());
  }

  private void failQueued(UnavailableException why) {
    for (Item item = queue.poll(); item != null; item = queue.poll()) {
      fail(item, why);
    }
  }

  private static void fail(Item item, UnavailableException why) {
    switch (item) {
      case Item.Apply apply -> apply.reply().completeExceptionally(why);
      case Item.Ask ask -> ask.answer().completeExceptionally(why);
    }
  }

  /** Ends the batch at hand and refuses the rest. */
  @Override
  public void close() {
    closing = true;
    queue.add(new Item.Ask(view -> "wake up", new CompletableFuture<>()));
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    failQueued(new UnavailableException("the scheduler is stopping", null));
  }
}
