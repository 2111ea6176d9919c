package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.v1.Capabilities;
import build.thresher.v1.ExecutorsGrpc.ExecutorsBlockingStub;
import build.thresher.v1.HeldLease;
import build.thresher.v1.Lease;
import build.thresher.v1.LeaseRequest;
import build.thresher.v1.RegisterRequest;
import com.google.protobuf.Duration;
import java.util.List;

/** An executor that does only what the test tells it. */
record ExecutorByHand(ExecutorsBlockingStub farm, String name) {

  /**
   * @param held leases that it says it has from before
   */
  void register(int slots, List<Lease> held) {
    RegisterRequest.Builder request =
        RegisterRequest.newBuilder()
            .setExecutor(name)
            .setIncarnation(name)
            .setSlots(slots)
            .setCapabilities(
                Capabilities.newBuilder()
                    .setPlatform("linux")
                    .setOperatingSystem("debian12")
                    .setTarget("x86_64_v3")
                    .addAllCompatibleTargets(List.of("x86_64", "x86_64_v2", "x86_64_v3"))
                    .setSandbox("bubblewrap"));
    held.forEach(l -> request.addHeld(HeldLease.newBuilder().setFence(l.getFence())));
    assertEquals(List.of(), farm.register(request.build()).getRefusedList());
  }

  List<Lease> lease(int max, int seconds) {
    return farm.lease(
            LeaseRequest.newBuilder()
                .setExecutor(name)
                .setIncarnation(name)
                .setMaxLeases(max)
                .setWait(Duration.newBuilder().setSeconds(seconds))
                .build())
        .getLeasesList();
  }
}
