package build.thresher.executor.core;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.client.WireTimes;
import build.thresher.executor.action.ActionRunner;
import build.thresher.executor.action.Owner;
import build.thresher.executor.action.Owners;
import build.thresher.executor.core.RunningLease.Ending;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.sandbox.Bind;
import build.thresher.executor.sandbox.Bubblewrap;
import build.thresher.executor.sandbox.ControlGroups;
import build.thresher.executor.sandbox.HostSettings;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Limits;
import build.thresher.executor.sandbox.Plain;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.executor.sandbox.SandboxSpec;
import build.thresher.executor.sandbox.SeccompFilter;
import build.thresher.executor.spack.SpackBuilder;
import build.thresher.v1.Capabilities;
import build.thresher.v1.Lease;
import build.thresher.v1.RenewResponse;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One executor: pulls leases from the scheduler as slots are free, builds them in sandboxes, moves
 * bytes with the store, reports. It opens no port; it survives restarts of the server, to whom it
 * names the leases that it still holds; a lease that the server takes away is killed and never
 * reported.
 *
 * <p>Threads: one that leases, one that renews, one for each build; all virtual but the sandbox's
 * launcher. {@link #drain} and {@link #close} may be called from any thread.
 */
public final class Executor implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Executor.class);
  private static final Duration KILLED_BUILDS_REPORT = Duration.ofSeconds(20);

  private final ExecutorOptions options;
  private final WorkDirectory work;
  private final Caches caches;
  private final Sandbox sandbox;
  private final Leases leases;
  private final Farm farm;
  private final Registration registration;
  private final ActionRunner actions;
  private final LeaseRunner runner;
  private final RandomGenerator random;
  private final Optional<BuildUsers> users;
  private final List<Thread> loops = new ArrayList<>();
  private volatile boolean draining;

  private Executor(
      ExecutorOptions options,
      WorkDirectory work,
      Channel channel,
      BlobStore store,
      Capabilities capabilities,
      Optional<BuildUsers> users)
      throws IOException {
    this.options = options;
    this.work = work;
    this.users = users;
    this.random = RandomGenerator.getDefault();
    InstantSource clock = InstantSource.system();
    caches = Caches.open(work, options.caches(), store, new FetchedSources(channel), clock);
    users.ifPresent(u -> log.info("builds and actions run as the users {}", u));
    ControlGroups groups = ControlGroups.prepare(work.label(options.name()));
    log.info("{}", groups.enforced());
    sandbox =
        new Sandbox(
            options.actions().plain()
                ? new Plain(users.isPresent())
                : bubblewrap(options, work, users.isPresent()),
            groups,
            options.builds().python(),
            System::nanoTime);
    SpackBuilder builder =
        new SpackBuilder(
            store, caches.trees(), caches.prefixes(), caches.sources(), sandbox, options.builds());
    leases = new Leases(options.slots(), System::nanoTime);
    farm =
        new Farm(
            channel, options.name(), UUID.randomUUID().toString(), options.slots(), capabilities);
    registration = new Registration(farm, leases);
    Completion completion = new Completion(farm, registration, random);
    actions =
        ActionRunner.open(
            options.name(),
            // Not the same, for its files are not the same user's.
            work.own(options.actions().plain() ? "inputs-plain" : "inputs"),
            work.shared("images"),
            store,
            sandbox,
            owners(),
            options.actions(),
            clock);
    runner =
        new LeaseRunner(
            farm,
            completion,
            builder,
            new ActionLeases(farm, completion, actions, options.logBytes()),
            store,
            work,
            options.logBytes());
  }

  private static BuildUsers claim(ExecutorOptions options) throws IOException {
    int slots = options.slots();
    return options.actions().plain()
        // As many results as there are slots may wait to be taken while others run.
        ? BuildUsers.claim(options.buildUid(), 0, 2 * slots)
        : BuildUsers.claim(options.buildUid(), slots, 1);
  }

  private Owners owners() {
    return options.actions().plain() && users.isPresent()
        ? Owners.apart(users.get().ofActions().stream().map(Owner::new).toList())
        : Owners.shared(new Owner(anyOfActions()));
  }

  private int anyOfActions() {
    return users.map(u -> u.ofActions().getFirst()).orElse(-1);
  }

  private static Bubblewrap bubblewrap(ExecutorOptions options, WorkDirectory work, boolean root)
      throws IOException {
    Path etc = work.own("etc");
    HostSettings.write(etc, options.hostPaths());
    Optional<Path> filter =
        SeccompFilter.write(work.own("seccomp.bpf"), System.getProperty("os.arch", ""));
    return new Bubblewrap(options.workDir(), etc, options.hostPaths(), root, filter);
  }

  /**
   * Checks and measures this machine, then serves the farm until closed. Returns at once; the
   * server need not be there yet.
   *
   * @param channel to the scheduler, and to the farm's Remote Asset service
   * @param store where all bytes come from and go to; stays the caller's to close
   * @throws HostNotReadyException when builds cannot run here, saying what to do
   */
  public static Executor start(ExecutorOptions options, Channel channel, BlobStore store)
      throws IOException {
    Host.requireTools(options.builds().python(), options.actions().plain());
    WorkDirectory work = WorkDirectory.open(options.workDir(), options.name());
    Optional<BuildUsers> users = Optional.empty();
    Executor executor;
    try {
      if ("root".equals(System.getProperty("user.name"))) {
        users = Optional.of(claim(options));
      }
      executor = new Executor(options, work, channel, store, Host.capabilities(options), users);
    } catch (IOException | RuntimeException e) {
      if (users.isPresent()) {
        users.get().close();
      }
      work.close();
      throw e;
    }
    try {
      executor.requireSandbox();
    } catch (IOException | RuntimeException e) {
      executor.close();
      throw e;
    }
    if (options.actions().plain()) {
      log.warn(
          "actions run without a sandbox, as {}: they see and may change what such a user"
              + " can, network and other actions included; Spack packages are not built here",
          users.map(u -> "users " + u).orElse(System.getProperty("user.name")));
    }
    executor.loop("lease", executor::leaseLoop);
    executor.loop("renew", executor::renewLoop);
    log.info(
        "executor {} started with {} slots in {}",
        options.name(),
        options.slots(),
        options.workDir());
    return executor;
  }

  /** Runs nothing, for real: a machine that cannot is found now, not by a build. */
  private void requireSandbox() throws IOException {
    Path directory = work.newBuild();
    StringBuilder output = new StringBuilder();
    try {
      SandboxResult result =
          sandbox.run(
              probe(directory),
              (bytes, count) -> output.append(new String(bytes, 0, count, StandardCharsets.UTF_8)),
              new KillSwitch());
      if (result.end() != SandboxResult.End.EXITED || result.exitCode() != 0) {
        throw new HostNotReadyException(Host.sandboxAdvice(options, users, output.toString()));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted at start", e);
    } finally {
      FileTrees.delete(directory);
    }
  }

  private SandboxSpec probe(Path directory) {
    boolean plain = options.actions().plain();
    return new SandboxSpec(
        "probe",
        plain ? List.of() : List.of(Bind.readOnly(directory, "/tmp")),
        Map.of(),
        plain ? directory.toString() : "/",
        List.of("/bin/true"),
        new Limits(
            Duration.ofSeconds(30),
            0,
            options.actions().processes(),
            Long.MAX_VALUE,
            Long.MAX_VALUE),
        directory,
        anyOfActions(),
        Optional.empty(),
        plain);
  }

  private interface Loop {
    void run() throws InterruptedException;
  }

  private void loop(String name, Loop body) {
    loops.add(
        Thread.ofVirtual()
            .name(options.name() + "-" + name)
            .start(
                () -> {
                  try {
                    body.run();
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                }));
  }

  private void leaseLoop() throws InterruptedException {
    Backoff backoff = new Backoff(random);
    while (!draining) {
      long generation = registration.generation();
      try {
        if (generation == 0) {
          registration.renew(generation);
        }
        for (Lease lease : farm.lease(leases.awaitFree(), registration.leaseTerm())) {
          begin(lease);
        }
        backoff.reset();
      } catch (StatusRuntimeException e) {
        if (draining) {
          return;
        }
        if (!registration.recover(e, generation)) {
          log.warn("no leases from the server: {}", e.getMessage());
        }
        backoff.pause();
      }
    }
  }

  private void begin(Lease lease) {
    Work work = Work.of(lease);
    RunningLease running = new RunningLease(lease.getFence(), work.key());
    int slot = leases.start(running);
    if (slot < 0) {
      log.warn("lease {} came without a free slot; it will lapse", lease.getFence());
      return;
    }
    log.info("{} {}: leased {}", running.hash(), lease.getFence().getExecution(), work.title());
    Thread.ofVirtual()
        .name("build-" + running.hash())
        .start(
            () -> {
              AtomicBoolean free = new AtomicBoolean();
              try {
                runner.run(
                    lease,
                    work,
                    running,
                    users.map(u -> u.ofSlot(slot)).orElse(-1),
                    () -> free.set(leases.freeEarly(slot)));
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              } catch (RuntimeException e) {
                log.error("{}: the build's thread failed", running.hash(), e);
              } finally {
                leases.forget(running);
                if (!free.get()) {
                  leases.free(slot);
                }
              }
            });
  }

  private void renewLoop() throws InterruptedException {
    while (true) {
      Thread.sleep(registration.leaseTerm().dividedBy(3));
      List<RunningLease> held = leases.held();
      if (held.isEmpty()) {
        continue;
      }
      long generation = registration.generation();
      try {
        RenewResponse response = farm.renew(held);
        leases.kill(response.getKillList());
        if (response.hasTerm()) {
          registration.term(WireTimes.fromWire(response.getTerm()));
        }
      } catch (StatusRuntimeException e) {
        log.warn("{} leases not renewed: {}", held.size(), e.getMessage());
        registration.recover(e, generation);
      }
    }
  }

  /**
   * Takes no more work and waits for what runs; after the grace builds are killed and reported as
   * the farm's fault, so that others take them over. Then closes.
   */
  public void drain() throws InterruptedException, IOException {
    log.info("executor {} drains {} builds", options.name(), leases.held().size());
    stopLeasing();
    if (!leases.awaitIdle(options.drainGrace())) {
      stopBuilds();
    }
    close();
  }

  private void stopLeasing() {
    draining = true;
    loops.stream().findFirst().ifPresent(Thread::interrupt);
  }

  private void stopBuilds() throws InterruptedException {
    leases.held().forEach(lease -> lease.end(Ending.STOPPED));
    if (!leases.awaitIdle(KILLED_BUILDS_REPORT)) {
      log.warn("the server was not told of {} builds; their leases lapse", leases.held().size());
      leases.held().forEach(lease -> lease.end(Ending.LOST));
      boolean idle = leases.awaitIdle(KILLED_BUILDS_REPORT);
      log.info("all builds are gone: {}", idle);
    }
  }

  /** Kills what runs, reports it, and stops. Idempotent. */
  @Override
  public void close() throws IOException {
    stopLeasing();
    try {
      stopBuilds();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    loops.forEach(Thread::interrupt);
    sandbox.close();
    actions.close();
    caches.close();
    work.close();
    if (users.isPresent()) {
      users.get().close();
    }
  }
}
