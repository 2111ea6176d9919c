package build.thresher.scheduler;

import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.LiveStreams;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.scheduler.farm.FarmService;
import build.thresher.scheduler.farm.FarmStatusSource;
import build.thresher.scheduler.farm.Instances;
import build.thresher.scheduler.farm.Needs;
import build.thresher.scheduler.farm.StatusReport;
import build.thresher.scheduler.keep.LiveWork;
import build.thresher.scheduler.logs.LogReader;
import build.thresher.scheduler.logs.LogStore;
import build.thresher.scheduler.reapi.ExecutionService;
import build.thresher.scheduler.reapi.LiveOutputs;
import build.thresher.scheduler.reapi.OperationsService;
import build.thresher.scheduler.shell.Calls;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.Effects;
import build.thresher.scheduler.shell.History;
import build.thresher.scheduler.shell.Polls;
import build.thresher.scheduler.shell.Publisher;
import build.thresher.scheduler.shell.Requests;
import build.thresher.scheduler.shell.Watchers;
import build.thresher.scheduler.spack.Builds;
import build.thresher.scheduler.spack.Documents;
import build.thresher.scheduler.spack.Losses;
import build.thresher.scheduler.spack.Submissions;
import build.thresher.scheduler.store.RocksTaskStore;
import build.thresher.scheduler.store.TaskStore;
import build.thresher.scheduler.wire.RecentMessages;
import build.thresher.scheduler.worker.ExecutorsService;
import build.thresher.scheduler.worker.Leases;
import io.grpc.BindableService;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * The scheduler of one pool of executors: its store, its core, and the two services that it
 * answers.
 *
 * <p>Opening loads what was live and takes up what was interrupted; closing answers the batch at
 * hand, refuses the rest as UNAVAILABLE and leaves everything that was accepted for the next start.
 */
public final class Scheduler implements AutoCloseable {
  private static final String POOL = "default";

  /** Whoever was stopped for longer asks again; what was accepted goes on meanwhile. */
  private static final Duration READERS_PATIENCE = Duration.ofMinutes(5);

  private final TaskStore store;
  private final History history;
  private final Publisher publisher;
  private final Calls calls;
  private final CoreLoop core;
  private final Requests requests;
  private final Housekeeping housekeeping;
  private final List<BindableService> services;
  private final LiveStreams liveOutputs;
  private final Needs needs;

  private Scheduler(
      TaskStore store,
      History history,
      Publisher publisher,
      Calls calls,
      CoreLoop core,
      Requests requests,
      Housekeeping housekeeping,
      List<BindableService> services,
      LiveStreams liveOutputs,
      Needs needs) {
    this.needs = needs;
    this.store = store;
    this.history = history;
    this.publisher = publisher;
    this.calls = calls;
    this.core = core;
    this.requests = requests;
    this.housekeeping = housekeeping;
    this.services = services;
    this.liveOutputs = liveOutputs;
  }

  /** What the scheduler takes from the world instead of reading it itself. */
  public record World(InstantSource wall, LongSupplier nanoTime, Supplier<String> ids) {
    /** The machine's clocks, and random names. */
    public static World real() {
      return withClock(InstantSource.system());
    }

    /** The same with another wall clock. */
    public static World withClock(InstantSource wall) {
      return new World(wall, System::nanoTime, () -> UUID.randomUUID().toString());
    }
  }

  /**
   * @param directory for the task store and the live logs; made if absent
   * @param actionCache takes the results of actions that succeeded
   * @param status what the rest of the farm adds to GetStatus
   */
  public static Scheduler open(
      SchedulerOptions options,
      Path directory,
      BlobStore blobs,
      SpackMirror mirror,
      ActionCache actionCache,
      FarmStatusSource status,
      World world)
      throws IOException {
    return open(
        options,
        directory,
        RocksTaskStore.at(directory.resolve("tasks"), POOL),
        blobs,
        mirror,
        actionCache,
        status,
        world);
  }

  /** With a task store of the caller's; it is closed with the scheduler. */
  @SuppressWarnings("TooManyParameters") // all that the scheduler stands on
  static Scheduler open(
      SchedulerOptions options,
      Path directory,
      TaskStore store,
      BlobStore blobs,
      SpackMirror mirror,
      ActionCache actionCache,
      FarmStatusSource status,
      World world)
      throws IOException {
    LogStore logs = new LogStore(directory.resolve("logs"), options.reserveBytes());
    Polls polls = new Polls();
    Watchers watchers = new Watchers();
    Documents documents = new Documents(blobs);
    Builds builds = new Builds(mirror, documents, options.installTree(), options.defaultTimeout());
    Later<CoreLoop> later = new Later<>();
    Publisher publisher =
        new Publisher(mirror, actionCache, builds, event -> later.get().post(event));
    Effects effects =
        new Effects(
            store,
            blobs,
            mirror,
            actionCache,
            polls,
            watchers,
            publisher::publish,
            event -> later.get().post(event),
            world.wall());
    CoreLoop core = new CoreLoop(options.core(), store, effects, world.wall(), world.nanoTime());
    later.set(core);
    History history = new History(store);
    Calls calls = new Calls(READERS_PATIENCE);
    Instances instances = new Instances(options.instances());
    Requests requests = new Requests(core, watchers, history);
    RecentMessages messages = new RecentMessages(blobs, Leases.MAX_INLINE_BYTES);
    LogReader logReader = new LogReader(core, history, blobs, logs);
    List<BindableService> services =
        List.of(
            new FarmService(
                requests,
                new Submissions(blobs, mirror, documents),
                mirror,
                logReader,
                calls,
                instances,
                new StatusReport(
                    core,
                    blobs,
                    status,
                    options.installTree().paddedRoot(),
                    options.serverVersion(),
                    world.wall().instant()),
                world.wall(),
                world.ids()),
            new ExecutorsService(
                core,
                polls,
                history,
                new Leases(messages, builds, options.core().leaseTerm(), options.defaultTimeout()),
                new Losses(blobs, mirror, documents),
                blobs,
                logs,
                calls,
                world.ids()),
            ExecutionService.create(
                requests,
                blobs,
                messages,
                actionCache,
                calls,
                instances,
                options.properties(),
                options.defaultTimeout(),
                world.wall(),
                world.ids()),
            new OperationsService(
                requests, blobs, actionCache, calls, instances, world.nanoTime()));
    Housekeeping housekeeping =
        new Housekeeping(
            core,
            new LiveWork(core, blobs, documents),
            store,
            logs,
            options.retention(),
            world.wall());
    core.start();
    housekeeping.start();
    LiveStreams liveOutputs = new LiveOutputs(core, history, blobs, logs);
    return new Scheduler(
        store,
        history,
        publisher,
        calls,
        core,
        requests,
        housekeeping,
        services,
        liveOutputs,
        new Needs(core, documents));
  }

  /**
   * A reference that is set once, before anybody uses it: the loop and its effects need each other.
   */
  private static final class Later<T> {
    private volatile @org.jspecify.annotations.Nullable T value;

    void set(T value) {
      this.value = value;
    }

    T get() {
      T known = value;
      if (known == null) {
        throw new IllegalStateException("used before it was set");
      }
      return known;
    }
  }

  /** Farm, Executors, Execution and Operations, for a gRPC server. */
  public List<BindableService> services() {
    return services;
  }

  /** What actions print, for ByteStream. */
  public LiveStreams liveOutputs() {
    return liveOutputs;
  }

  /** Specs that running work reads from the mirror, or will. */
  public Set<DagHash> needs(String instance) throws IOException {
    return needs.in(instance);
  }

  /**
   * When the blobs that work needs were last leased: what was accepted before that time stays in
   * the blob store until it is over.
   */
  public Instant keptBlobs() {
    return housekeeping.kept();
  }

  /** What was asked for, of both kinds. */
  Requests requests() {
    return requests;
  }

  /** False while the task store fails: nothing is accepted then. It is tried again each second. */
  public boolean takesWork() {
    return core.takesEvents();
  }

  /** Batches stored since the start: each was one wait for the disk. */
  public long commits() {
    return core.commits();
  }

  @Override
  public void close() throws IOException {
    housekeeping.close();
    core.close();
    calls.close();
    publisher.close();
    history.close();
    store.close();
  }
}
