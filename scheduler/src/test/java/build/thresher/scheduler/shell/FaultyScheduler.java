package build.thresher.scheduler.shell;

import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.store.RocksTaskStore;
import build.thresher.scheduler.store.TaskStore;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A process that accepts requests on a disk that fails under it. On standard output: {@code ack id}
 * for what was accepted, {@code refused id} for what was not, and last whether it takes events.
 * Arguments: the store, a file to make when calls may begin to fail, how long to wait for a disk
 * that works again.
 */
final class FaultyScheduler {
  private static final int BEFORE = 20;
  private static final int CLIENTS = 4;
  private static final int EACH = 40;

  private FaultyScheduler() {}

  public static void main(String[] args) throws Exception {
    try (TaskStore store = RocksTaskStore.at(Path.of(args[0]), "default");
        CoreLoop loop =
            new CoreLoop(
                CoreOptions.DEFAULTS,
                store,
                new Nothing(),
                InstantSource.system(),
                System::nanoTime)) {
      loop.start();
      AtomicInteger next = new AtomicInteger();
      for (int i = 0; i < BEFORE; i++) {
        submit(loop, next.getAndIncrement());
      }
      Files.createFile(Path.of(args[1]));
      Thread[] clients = new Thread[CLIENTS];
      for (int i = 0; i < CLIENTS; i++) {
        clients[i] =
            Thread.ofPlatform()
                .start(
                    () -> {
                      for (int n = 0; n < EACH; n++) {
                        submit(loop, next.getAndIncrement());
                      }
                    });
      }
      for (Thread client : clients) {
        client.join();
      }
      long deadline = System.nanoTime() + Duration.parse(args[2]).toNanos();
      while (!submit(loop, next.getAndIncrement()) && System.nanoTime() < deadline) {
        Thread.sleep(100);
      }
      say("takes events: " + loop.takesEvents());
    }
  }

  private static boolean submit(CoreLoop loop, int number) {
    String id = "request-" + number;
    try {
      loop.apply(FaultyScheduler.request(id));
      say("ack " + id);
      return true;
    } catch (UnavailableException e) {
      say("refused " + id);
      return false;
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** A request that is over as soon as it is stored. */
  static Event.Submit request(String id) {
    return request(id, ImmutableList.of());
  }

  static Event.Submit request(String id, ImmutableList<Definition> tasks) {
    return new Event.Submit(
        new RequestHead(
            id,
            "default",
            "alice",
            WorkKind.SPACK,
            RequestHead.Options.NONE,
            ImmutableList.of("root"),
            ImmutableList.of(),
            ImmutableList.of(),
            Instant.EPOCH),
        tasks,
        ImmutableSet.of(),
        ImmutableList.of());
  }

  private static void say(String line) {
    synchronized (System.out) {
      System.out.println(line);
      System.out.flush();
    }
  }

  private static final class Nothing implements CoreLoop.Surroundings {
    @Override
    public Event prepare(Event event) {
      return event;
    }

    @Override
    public void run(Effect effect) {}

    @Override
    public void reloaded() {}
  }
}
