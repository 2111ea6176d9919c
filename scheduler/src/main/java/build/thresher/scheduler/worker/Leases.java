package build.thresher.scheduler.worker;

import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.spack.Builds;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.ActionRun;
import build.thresher.v1.Lease;
import java.io.IOException;
import java.time.Duration;

/** From a grant of the core to what the executor is told. Any thread; blocks. */
public final class Leases {
  private final Builds builds;
  private final Duration leaseTerm;
  private final Duration defaultTimeout;

  /**
   * @param defaultTimeout of work that names none
   */
  public Leases(Builds builds, Duration leaseTerm, Duration defaultTimeout) {
    this.builds = builds;
    this.leaseTerm = leaseTerm;
    this.defaultTimeout = defaultTimeout;
  }

  /** How long a lease lives without renewal. */
  Duration term() {
    return leaseTerm;
  }

  /**
   * @throws IOException when something that has to be told is not in the store
   */
  Lease compose(Effect.Grant grant) throws IOException {
    Lease.Builder lease =
        Lease.newBuilder()
            .setFence(Wire.fence(grant.fence()))
            .setTerm(Wire.duration(leaseTerm))
            .setInstanceName(grant.definition().key().instance())
            .setClient(grant.client());
    switch (grant.definition().work()) {
      case SpackWork work -> lease.setSpackBuild(builds.compose(grant, work));
      case ActionWork work -> lease.setActionRun(run(grant, work));
    }
    return lease.build();
  }

  private ActionRun run(Effect.Grant grant, ActionWork work) {
    Duration timeout = work.timeout().isPositive() ? work.timeout() : defaultTimeout;
    return ActionRun.newBuilder()
        .setAction(Wire.digest(work.action()))
        .setDigestFunction(DigestFunction.Value.SHA256)
        .setTimeout(Wire.duration(timeout))
        .setPlatform(Wire.platform(work.platform()))
        .setQueued(Wire.timestamp(work.queued()))
        .setMemoryLimitBytes(grant.memoryLimitBytes())
        .build();
  }
}
