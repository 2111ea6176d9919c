package build.thresher.scheduler.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.scheduler.core.ActionRequirements;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Capabilities;
import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.core.CoreView;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.store.RocksTaskStore;
import build.thresher.scheduler.store.TaskStore;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(180)
class CoreLoopTest {
  private static final Capabilities BARE =
      new Capabilities(
          "linux",
          "debian12",
          "x86_64",
          ImmutableSet.of(),
          ImmutableList.of(),
          ImmutableMap.of(),
          "bubblewrap",
          0,
          1,
          ImmutableSet.of(),
          ImmutableSet.of());

  private static final Definition ACTION =
      new Definition(
          new TaskKey("default", "h"),
          "true",
          "",
          ImmutableList.of(),
          ActionRequirements.of(ImmutableList.of()),
          new ActionWork(
              Digest.of(new byte[0]),
              Duration.ZERO,
              ImmutableList.of(),
              false,
              false,
              Instant.EPOCH));

  @TempDir Path directory = Path.of("");

  private final AtomicBoolean broken = new AtomicBoolean();
  private final AtomicInteger reloads = new AtomicInteger();
  private final List<Effect> effects = new CopyOnWriteArrayList<>();

  private final CoreLoop.Surroundings surroundings =
      new CoreLoop.Surroundings() {
        @Override
        public Event prepare(Event event) {
          return event;
        }

        @Override
        public void run(Effect effect) {
          effects.add(effect);
        }

        @Override
        public void reloaded() {
          reloads.incrementAndGet();
        }
      };

  /** A store whose disk can be told to fail. */
  private TaskStore breakable(TaskStore real) {
    return (TaskStore)
        Proxy.newProxyInstance(
            TaskStore.class.getClassLoader(),
            new Class<?>[] {TaskStore.class},
            (proxy, method, arguments) -> {
              if (broken.get() && !method.getName().equals("close")) {
                throw new IOException("the disk is gone");
              }
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getTargetException();
              }
            });
  }

  private static Event.Submit submit(String id) {
    return FaultyScheduler.request(id);
  }

  @Test
  void whatCouldNotBeStoredWasNotAcceptedAndNobodyHearsOfIt() throws Exception {
    try (TaskStore store = breakable(RocksTaskStore.at(directory, "default"));
        CoreLoop loop =
            new CoreLoop(
                CoreOptions.DEFAULTS,
                store,
                surroundings,
                InstantSource.system(),
                System::nanoTime)) {
      loop.start();
      assertEquals(new Reply.Accepted("one"), loop.apply(submit("one")));
      loop.ask(CoreView::counts); // questions are answered after the effects before them
      assertEquals(1, effects.size());
      assertTrue(
          effects.getFirst() instanceof Effect.RequestFinished ended
              && ended.request().head().id().equals("one"));
      broken.set(true);
      assertThrows(UnavailableException.class, () -> loop.apply(submit("two")));
      assertThrows(UnavailableException.class, () -> loop.apply(submit("three")));
      assertEquals(1, effects.size());
      assertEquals(1, reloads.get());
      broken.set(false);
      Reply reply = null;
      while (reply == null) {
        try {
          reply = loop.apply(submit("four"));
        } catch (UnavailableException stillLoading) {
          Thread.sleep(20);
        }
      }
      assertEquals(new Reply.Accepted("four"), reply);
      assertEquals(0, loop.ask(CoreView::counts).requests());
      assertTrue(store.finishedRequest("one").isPresent());
      assertTrue(store.finishedRequest("two").isEmpty());
      assertTrue(store.finishedRequest("four").isPresent());
    }
  }

  @Test
  void aLeaseIsHandedOutBeforeItIsOnDiskAndIsThereSoonAfter() throws Exception {
    try (TaskStore store = RocksTaskStore.at(directory, "default");
        CoreLoop loop =
            new CoreLoop(
                CoreOptions.DEFAULTS,
                store,
                surroundings,
                InstantSource.system(),
                System::nanoTime)) {
      loop.start();
      loop.apply(FaultyScheduler.request("r", ImmutableList.of(ACTION)));
      ExecutorId executor = new ExecutorId("e", "e-1");
      loop.apply(new Event.Register(executor, 1, BARE, ImmutableList.of()));
      long commits = loop.commits();
      loop.apply(new Event.LeaseAsk(1, executor, ImmutableList.of("x"), Long.MAX_VALUE / 2));
      loop.ask(CoreView::counts); // questions are answered after the effects before them
      assertTrue(effects.stream().anyMatch(Effect.AnswerPoll.class::isInstance));
      while (loop.commits() == commits) {
        Thread.sleep(20);
      }
      assertEquals(commits + 1, loop.commits());
    }
  }

  @Test
  void whileAllAreAtWorkEverybodyIsAnsweredThoughNobodyElseComes() throws Exception {
    try (TaskStore store = RocksTaskStore.at(directory, "default");
        CoreLoop loop =
            new CoreLoop(
                CoreOptions.DEFAULTS,
                store,
                surroundings,
                InstantSource.system(),
                () -> 1)) { // a clock that stands still
      loop.start();
      ExecutorId executor = new ExecutorId("e", "e-1");
      loop.apply(new Event.Register(executor, 1, BARE, ImmutableList.of()));
      assertFalse(loop.ask(CoreView::isSaturated));
      loop.apply(FaultyScheduler.request("r", ImmutableList.of(ACTION)));
      assertTrue(loop.ask(CoreView::isSaturated));
      assertEquals(
          new Reply.Accepted("s"),
          loop.apply(FaultyScheduler.request("s", ImmutableList.of(ACTION))));
      loop.apply(new Event.LeaseAsk(1, executor, ImmutableList.of("x"), Long.MAX_VALUE / 2));
      assertFalse(loop.ask(CoreView::isSaturated));
    }
  }

  @Test
  void afterCloseEverybodyIsToldThatItIsUnavailable() throws Exception {
    try (TaskStore store = RocksTaskStore.at(directory, "default")) {
      CoreLoop loop =
          new CoreLoop(
              CoreOptions.DEFAULTS, store, surroundings, InstantSource.system(), System::nanoTime);
      loop.start();
      loop.close();
      assertThrows(UnavailableException.class, () -> loop.apply(submit("late")));
    }
  }
}
