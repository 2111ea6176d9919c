package build.thresher.scheduler.worker;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.DigestFunction;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.spack.Builds;
import build.thresher.scheduler.wire.RecentMessages;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.ActionRun;
import build.thresher.v1.Lease;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** From a grant of the core to what the executor is told. Any thread; blocks. */
public final class Leases {
  private static final Logger log = LoggerFactory.getLogger(Leases.class);

  /** What is larger is for the executor to fetch: leases stay small, also many of them. */
  public static final int MAX_INLINE_BYTES = 32 << 10;

  private final RecentMessages messages;
  private final Builds builds;
  private final Duration leaseTerm;
  private final Duration defaultTimeout;

  /**
   * @param defaultTimeout of work that names none
   */
  public Leases(
      RecentMessages messages, Builds builds, Duration leaseTerm, Duration defaultTimeout) {
    this.messages = messages;
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

  private ActionRun run(Effect.Grant grant, ActionWork work) throws IOException {
    Duration timeout = work.timeout().isPositive() ? work.timeout() : defaultTimeout;
    ActionRun.Builder run =
        ActionRun.newBuilder()
            .setAction(Wire.digest(work.action()))
            .setDigestFunction(DigestFunction.Value.SHA256)
            .setTimeout(Wire.duration(timeout))
            .setPlatform(Wire.platform(work.platform()))
            .setQueued(Wire.timestamp(work.queued()))
            .setMemoryLimitBytes(grant.memoryLimitBytes());
    addMessages(run, Scope.farm(grant.definition().key().instance()), work.action());
    return run.build();
  }

  /** What is not there, or not what it should be, is left out: the executor says so. */
  private void addMessages(ActionRun.Builder run, Scope scope, Digest digest) throws IOException {
    try {
      if (digest.sizeBytes() <= MAX_INLINE_BYTES) {
        ByteString action = UnsafeByteOperations.unsafeWrap(messages.read(scope, digest));
        run.setActionBytes(action);
        Digest command = Wire.digest(Action.parseFrom(action).getCommandDigest());
        if (command.sizeBytes() <= MAX_INLINE_BYTES) {
          run.setCommandBytes(UnsafeByteOperations.unsafeWrap(messages.read(scope, command)));
        }
      }
    } catch (BlobNotFoundException | InvalidProtocolBufferException | IllegalArgumentException e) {
      log.info("a lease goes out without what its action names: {}", e.getMessage());
    }
  }
}
