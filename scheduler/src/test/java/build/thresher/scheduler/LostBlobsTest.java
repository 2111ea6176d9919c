package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.Wire;
import build.thresher.testing.Dag;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Lease;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Blobs that were there when work was accepted and are gone when it is done. */
@Timeout(180)
class LostBlobsTest {
  @TempDir Path directory = Path.of("");

  private static final Dag CHAIN = new Dag().node("n0").node("n1", "n0");

  private static Lease one(ScriptedExecutor executor) {
    List<Lease> leases = executor.lease(1, 10);
    assertEquals(1, leases.size());
    return leases.getFirst();
  }

  private static CompleteRequest missing(ScriptedExecutor executor, Lease lease, Digest blob) {
    return executor
        .outcome(lease)
        .setFailure(
            Failure.newBuilder()
                .setFailureClass(FailureClass.FAILURE_INFRASTRUCTURE)
                .setMessage("an input is gone")
                .addMissingBlobs(Wire.digest(blob)))
        .build();
  }

  @Test
  void aDependencyWhoseArchiveWasLostIsBuiltAgainAndItsConsumerWaits() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      Iterator<ExecuteUpdate> updates = farm.client().execute(farm.request(CHAIN, "alice").build());
      Lease first = one(executor);
      executor.stub.complete(executor.success(first));
      Lease second = one(executor);
      Digest archive = Wire.digest(second.getSpackBuild().getPrefixes(0).getArchive());

      executor.stub.complete(missing(executor, second, archive)); // it is there
      second = one(executor);
      assertEquals(
          CHAIN.hash("n1"), second.getSpackBuild().getHash(), "nobody is believed unasked");

      farm.blobs.delete(Scope.farm("default"), archive);
      executor.stub.complete(missing(executor, second, archive));
      Lease again = one(executor);
      assertEquals(CHAIN.hash("n0"), again.getSpackBuild().getHash());
      assertEquals(List.of(), executor.lease(1, 0));
      executor.stub.complete(executor.success(again));
      executor.stub.complete(executor.success(one(executor)));
      assertEquals(RequestState.REQUEST_SUCCEEDED, TestFarm.last(updates).getState());
    }
  }

  @Test
  void aPublishedNodeWhoseArchiveWasLostIsBuiltAgainAtTheNextSubmission() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e1").succeeding(1)) {
      ExecuteRequest request = farm.request(CHAIN, "alice").build();
      TestFarm.last(farm.client().execute(request));
      farm.blobs.delete(Scope.farm("default"), farm.text("archive of " + CHAIN.hash("n0")));
      Request second = TestFarm.last(farm.client().execute(request));
      assertEquals(1, second.getTasksCount());
      assertEquals(CHAIN.hash("n0"), second.getTasks(0).getHash());
      assertEquals(RequestState.REQUEST_SUCCEEDED, second.getState());
      assertEquals(3, executor.built.get());
    }
  }

  @Test
  void anInputOfTheClientThatWasLostFailsTheTaskByNameAndIsNotRemembered() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      ExecuteRequest request = farm.request(new Dag().node("n0"), "alice").build();
      Iterator<ExecuteUpdate> updates = farm.client().execute(request);
      Lease lease = one(executor);
      Digest core = Wire.digest(lease.getSpackBuild().getInputs().getCore());
      farm.blobs.delete(Scope.farm("default"), core);
      executor.stub.complete(missing(executor, lease, core));
      Failure failure = TestFarm.last(updates).getTasks(0).getFailure();
      assertEquals(FailureClass.FAILURE_INPUT, failure.getFailureClass());
      assertEquals(List.of(Wire.digest(core)), failure.getMissingBlobsList());
      assertTrue(failure.getMessage().contains(core.toString()), failure.getMessage());

      StatusRuntimeException refusal =
          assertThrows(
              StatusRuntimeException.class, () -> TestFarm.last(farm.client().execute(request)));
      assertEquals(Status.Code.FAILED_PRECONDITION, refusal.getStatus().getCode());
      assertTrue(String.valueOf(refusal.getMessage()).contains(core.toString()));
      farm.inputs("recipes"); // uploaded again
      farm.client().execute(request);
      assertEquals(1, executor.lease(1, 10).size());
    }
  }
}
