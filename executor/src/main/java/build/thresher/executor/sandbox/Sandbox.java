package build.thresher.executor.sandbox;

import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.sandbox.SandboxResult.End;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs commands, in bubblewrap where there is no other choice, watches their limits and measures
 * them. When {@link #run} returns, no process of the command is left (in {@link Plain}, by an
 * ordinary user without control groups: none that stayed in its session).
 *
 * <p>What is enforced, and by what: wall time and the size of the watched directory by looking (the
 * latter each second at most, so that a fast writer can exceed it by what the disk takes in a
 * second); the size of a single file and the number of processes of a user by the kernel's resource
 * limits; memory and processes of the whole command by control groups, where there are some, else
 * memory by looking, four times a second.
 *
 * <p>All commands are started by one process, which ends with this one, however that dies, and
 * which they do not outlive. {@link #run} blocks and may be called from many threads.
 */
public final class Sandbox implements AutoCloseable {
  private static final Duration TICK = Duration.ofMillis(250);
  private static final long DISK_CHECK_NANOS = Duration.ofSeconds(1).toNanos();

  /** When a disk has less left than this, commands that have taken more than this are killed. */
  private static final long RESERVE_BYTES = 1L << 30;

  /** When it has less left than this, all commands are: one of them hides what it has taken. */
  private static final long LAST_BYTES = RESERVE_BYTES / 4;

  private final Confinement confinement;
  private final ControlGroups controlGroups;
  private final LongSupplier nanoTime;
  private final String python;

  /** They block on reads, where a virtual thread would have another carrier made for it. */
  private final ExecutorService pumps =
      Executors.newCachedThreadPool(
          Thread.ofPlatform().name("sandbox-output-", 0).daemon().factory());

  /** Numbers of the launcher's empty networks, and those that no command is in. */
  private final AtomicInteger networks = new AtomicInteger();

  private final Queue<Integer> spareNetworks = new ConcurrentLinkedQueue<>();

  /** Of the executor's life but for accidents. Guarded by this, as is the next. */
  private @Nullable Launcher launcher;

  private boolean closed;

  /**
   * @param python interpreter of the program that starts commands
   */
  public Sandbox(
      Confinement confinement, ControlGroups controlGroups, String python, LongSupplier nanoTime) {
    this.confinement = confinement;
    this.controlGroups = controlGroups;
    this.python = python;
    this.nanoTime = nanoTime;
  }

  /** Takes what a command writes to its standard output and error, in order. */
  public interface OutputSink {
    /** The bytes are only valid during the call. */
    void accept(byte[] buffer, int length) throws IOException;
  }

  /**
   * Runs a command to its end.
   *
   * @throws IOException when it could not be started or its output not be taken; nothing is left
   *     running
   */
  public SandboxResult run(SandboxSpec spec, OutputSink output, KillSwitch kill)
      throws IOException, InterruptedException {
    return run(spec, output, Optional.empty(), kill);
  }

  /** As {@link #run(SandboxSpec, OutputSink, KillSwitch)}, with the two outputs apart. */
  public SandboxResult run(
      SandboxSpec spec, OutputSink standardOutput, OutputSink standardError, KillSwitch kill)
      throws IOException, InterruptedException {
    return run(spec, standardOutput, Optional.of(standardError), kill);
  }

  private SandboxResult run(
      SandboxSpec spec, OutputSink output, Optional<OutputSink> errors, KillSwitch kill)
      throws IOException, InterruptedException {
    try (ControlGroups.Group group = controlGroups.create(spec.name(), spec.limits())) {
      long hostKills = group.limitsMemory() ? 0 : ProcessTree.hostOutOfMemoryKills();
      long start = nanoTime.getAsLong();
      OptionalInt network = emptyNetwork(spec, group);
      Launcher starter = launcher();
      Launcher.Started process =
          starter.start(confinement.launch(spec, group, errors.isEmpty(), network));
      ProcessTree tree = new ProcessTree(process.handle());
      AtomicReference<IOException> outputFailure = new AtomicReference<>();
      CompletableFuture<List<Future<?>>> pumping =
          process
              .outputs()
              .thenApply(outputs -> pumps(outputs, output, errors, outputFailure, kill));
      End end;
      Launcher.Exit exit;
      try {
        end = watch(spec, starter, process, tree, group.limitsMemory(), kill, start);
      } finally {
        if (!process.exit().isDone()) {
          tree.kill();
        }
        group.killAll();
        exit = exit(starter, process);
        network.ifPresent(spareNetworks::add);
        for (Future<?> pump : pumps(pumping)) {
          await(pump);
        }
      }
      Duration wall = Duration.ofNanos(nanoTime.getAsLong() - start);
      IOException failure = outputFailure.get();
      if (failure != null) {
        throw new IOException("cannot keep the output of " + spec.name(), failure);
      }
      if (end == End.EXITED && exit.code() != 0) {
        boolean killedForMemory =
            group.outOfMemoryKills() > 0
                || (!group.limitsMemory() && ProcessTree.hostOutOfMemoryKills() > hostKills);
        end =
            killedForMemory
                ? End.OUT_OF_MEMORY
                : group.refusedProcesses() > 0 ? End.PROCESS_LIMIT : End.EXITED;
      }
      if (end == End.TIMEOUT && group.outOfMemoryKills() > 0) {
        end = End.OUT_OF_MEMORY; // It waited for what the kernel had killed.
      }
      SandboxResult result =
          new SandboxResult(
              end, exit.code(), end != End.EXITED || exit.ran(), group.usage(tree.usage(wall)));
      if (end == End.EXITED) {
        group.ended();
      }
      return result;
    }
  }

  /** Its number is only given to the next when all processes of this one are known to be gone. */
  private OptionalInt emptyNetwork(SandboxSpec spec, ControlGroups.Group group) {
    if (spec.network() || group.directories().isEmpty()) {
      return OptionalInt.empty();
    }
    Integer spare = spareNetworks.poll();
    return OptionalInt.of(spare == null ? networks.getAndIncrement() : spare);
  }

  /** Takes what the command writes, where it has written anything. */
  private List<Future<?>> pumps(
      Optional<Launcher.Outputs> written,
      OutputSink output,
      Optional<OutputSink> errors,
      AtomicReference<IOException> failure,
      KillSwitch kill) {
    List<Future<?>> started = new ArrayList<>();
    written.ifPresent(
        from -> {
          started.add(pumps.submit(() -> drain(from.output(), output, failure, kill)));
          if (from.errors().isPresent()) {
            started.add(
                pumps.submit(
                    () -> drain(from.errors().get(), errors.orElse(output), failure, kill)));
          }
        });
    return started;
  }

  private static List<Future<?>> pumps(CompletableFuture<List<Future<?>>> pumping)
      throws IOException, InterruptedException {
    try {
      return pumping.get();
    } catch (ExecutionException e) {
      throw new IOException("the output of a command cannot be read: " + e.getCause(), e);
    }
  }

  private synchronized Launcher launcher() throws IOException {
    if (closed) {
      throw new IOException("the executor stops");
    }
    Launcher running = launcher;
    if (running == null || running.hasEnded()) {
      running = Launcher.start(python, confinement.shown());
      launcher = running;
    }
    return running;
  }

  private static Launcher.Exit exit(Launcher starter, Launcher.Started process)
      throws IOException, InterruptedException {
    try {
      return starter.await(process.exit());
    } catch (ExecutionException e) {
      throw new IOException("nobody knows how the command ended: " + e.getCause(), e.getCause());
    }
  }

  private static void await(Future<?> pump) throws InterruptedException {
    try {
      pump.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("the output of a command was not taken", e.getCause());
    }
  }

  /** Whether the process ended in that time; its launcher's end counts as its own. */
  private static boolean endedWithin(Launcher.Started process, Duration time)
      throws InterruptedException {
    try {
      process.exit().get(time.toNanos(), TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      return true;
    }
  }

  private static void drain(
      InputStream from, OutputSink output, AtomicReference<IOException> failure, KillSwitch kill) {
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = from) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        output.accept(buffer, n);
      }
    } catch (IOException e) {
      failure.set(e);
      // A build whose output nobody takes would block for ever.
      kill.kill();
    }
  }

  private End watch(
      SandboxSpec spec,
      Launcher starter,
      Launcher.Started process,
      ProcessTree tree,
      boolean memoryIsLimited,
      KillSwitch kill,
      long start)
      throws IOException, InterruptedException {
    kill.whenKilled(
        () -> {
          if (!process.exit().isDone()) {
            tree.kill();
          }
        });
    if (endedWithin(process, TICK)) {
      return kill.isKilled() ? End.KILLED : End.EXITED;
    }
    long diskChecked = start;
    FileStore disk = Files.getFileStore(spec.watched());
    do {
      starter.endIfStopped();
      long resident = tree.sample();
      if (!memoryIsLimited && exceeds(spec.limits().memoryBytes(), resident, tree)) {
        return End.OUT_OF_MEMORY;
      }
      long now = nanoTime.getAsLong();
      if (now - start >= spec.limits().wall().toNanos()) {
        return End.TIMEOUT;
      }
      long free = disk.getUsableSpace();
      if (free < RESERVE_BYTES || now - diskChecked >= DISK_CHECK_NANOS) {
        FileTrees.Usage used = FileTrees.usage(spec.watched());
        long bytes = used.bytes() + tree.namelessBytes(spec.watched());
        if (bytes > spec.limits().diskBytes() || used.entries() > spec.limits().files()) {
          return End.DISK_LIMIT;
        }
        if (free < LAST_BYTES || (free < RESERVE_BYTES && bytes > RESERVE_BYTES)) {
          return End.DISK_FULL;
        }
        // Looking at a large tree must not become the main work of the host.
        diskChecked = nanoTime.getAsLong() + 10 * (nanoTime.getAsLong() - now);
      }
    } while (!endedWithin(process, TICK));
    return kill.isKilled() ? End.KILLED : End.EXITED;
  }

  /** Without a control group: what is counted more than once must not kill. */
  private static boolean exceeds(long limit, long resident, ProcessTree tree) {
    return limit > 0 && resident > limit && tree.memoryBytes() > limit;
  }

  /** Ends the launcher, and with it every command that still runs; removes the control groups. */
  @Override
  public synchronized void close() {
    closed = true;
    if (launcher != null) {
      launcher.close();
    }
    pumps.shutdown();
    controlGroups.close();
  }
}
