package build.thresher.scheduler;

import build.thresher.cas.api.Digest;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.Capabilities;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.External;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.HeldLease;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.RegisterRequest;
import build.thresher.v1.RegisterResponse;
import build.thresher.v1.SpackBuildResult;
import build.thresher.v1.Usage;
import com.google.protobuf.Duration;
import io.grpc.StatusRuntimeException;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;

/** An executor that builds nothing and answers as it is told. */
final class ScriptedExecutor implements AutoCloseable {
  private final TestFarm farm;
  final ExecutorsGrpc.ExecutorsBlockingStub stub;
  final String name;
  final String incarnation;
  final AtomicInteger built = new AtomicInteger();
  private volatile boolean stopped;
  private Thread thread = new Thread(() -> {});

  /** What becomes of a build. */
  interface Script {
    CompleteRequest run(CompleteRequest.Builder outcome, Lease lease) throws Exception;
  }

  ScriptedExecutor(TestFarm farm, String name) {
    this(farm, name, UUID.randomUUID().toString());
  }

  /** The same process after its server came back. */
  ScriptedExecutor(TestFarm farm, String name, String incarnation) {
    this.farm = farm;
    this.incarnation = incarnation;
    this.name = name;
    this.stub = farm.executors();
  }

  static Capabilities.Builder capabilities() {
    return Capabilities.newBuilder()
        .setPlatform("linux")
        .setOperatingSystem("debian12")
        .setTarget("zen4")
        .addAllCompatibleTargets(List.of("x86_64", "x86_64_v2", "x86_64_v3", "zen4"))
        .addExternals(
            External.newBuilder()
                .setName("gcc")
                .setVersion("12.2.0")
                .setPath("/usr")
                .setFingerprint("c0ffee"))
        .addExternals(External.newBuilder().setName("glibc").setPath("/usr"))
        .setSandbox("bubblewrap");
  }

  RegisterResponse register(int slots, Lease... held) {
    return register(slots, capabilities().build(), held);
  }

  RegisterResponse register(int slots, Capabilities capabilities, Lease... held) {
    RegisterRequest.Builder request =
        RegisterRequest.newBuilder()
            .setExecutor(name)
            .setIncarnation(incarnation)
            .setSlots(slots)
            .setCapabilities(capabilities);
    for (Lease lease : held) {
      request.addHeld(HeldLease.newBuilder().setFence(lease.getFence()));
    }
    return stub.register(request.build());
  }

  List<Lease> lease(int max, int waitSeconds) {
    return stub.lease(
            LeaseRequest.newBuilder()
                .setExecutor(name)
                .setIncarnation(incarnation)
                .setMaxLeases(max)
                .setWait(Duration.newBuilder().setSeconds(waitSeconds))
                .build())
        .getLeasesList();
  }

  CompleteRequest.Builder outcome(Lease lease) {
    return CompleteRequest.newBuilder()
        .setExecutor(name)
        .setIncarnation(incarnation)
        .setFence(lease.getFence());
  }

  CompleteRequest success(Lease lease) {
    return success(lease, 0);
  }

  CompleteRequest success(Lease lease, long wallSeconds) {
    Digest archive = farm.text("archive of " + lease.getSpackBuild().getHash());
    Digest spec = farm.text("spec of " + lease.getSpackBuild().getHash());
    return outcome(lease)
        .setLog(Wire.digest(farm.text("log of " + lease.getSpackBuild().getName() + "\n")))
        .setUsage(Usage.newBuilder().setWall(Duration.newBuilder().setSeconds(wallSeconds)))
        .setSpackBuild(
            SpackBuildResult.newBuilder()
                .setArchive(Wire.digest(archive))
                .setArchiveMediaType("application/vnd.spack.install.v2.tar+gzip")
                .setSpec(Wire.digest(spec))
                .setSpecMediaType("application/vnd.spack.spec.v5+json"))
        .build();
  }

  CompleteRequest failure(Lease lease, FailureClass failureClass, String message) {
    return outcome(lease)
        .setLog(Wire.digest(farm.text("failed log of " + lease.getSpackBuild().getName() + "\n")))
        .setFailure(Failure.newBuilder().setFailureClass(failureClass).setMessage(message))
        .build();
  }

  /** Builds whatever comes, on a thread of its own, until closed. */
  ScriptedExecutor run(int slots, Script script) {
    register(slots);
    thread =
        Thread.ofVirtual()
            .start(
                () -> {
                  while (!stopped) {
                    try {
                      for (Lease lease : lease(slots, 2)) {
                        built.incrementAndGet();
                        stub.complete(script.run(outcome(lease), lease));
                      }
                    } catch (StatusRuntimeException e) {
                      if (stopped) {
                        return;
                      }
                      recover(e, slots);
                    } catch (Exception e) {
                      throw new AssertionError(e);
                    }
                  }
                });
    return this;
  }

  private void recover(StatusRuntimeException e, int slots) {
    switch (e.getStatus().getCode()) {
      case NOT_FOUND -> register(slots);
      case UNAVAILABLE, CANCELLED -> stopped = true;
      default -> throw e;
    }
  }

  ScriptedExecutor succeeding(int slots) {
    return run(slots, (outcome, lease) -> success(lease));
  }

  @Override
  public void close() {
    stopped = true;
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
