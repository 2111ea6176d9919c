package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.testing.Dag;
import build.thresher.v1.FailureClass;
import build.thresher.v1.Lease;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/**
 * What each class of failure does to the one who asks and to those who ask after him: only what
 * would fail again in the same way is remembered, so a fault of the farm keeps nobody from a build.
 * That no executor can run it is the scheduler's alone to say, and no executor's.
 */
@Timeout(180)
class FailureClassesTest {
  @TempDir Path directory = Path.of("");

  /** Said here once more, and not asked of the code. */
  private record Expected(int attempts, boolean remembered) {}

  private static Expected expected(FailureClass failureClass) {
    return switch (failureClass) {
      case FAILURE_RECIPE, FAILURE_INPUT -> new Expected(1, true);
      case FAILURE_TIMEOUT -> new Expected(1, false);
      case FAILURE_INFRASTRUCTURE, FAILURE_OUT_OF_MEMORY, FAILURE_SOURCE -> new Expected(3, false);
      case FAILURE_UNSCHEDULABLE, FAILURE_CLASS_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalArgumentException(failureClass.toString());
    };
  }

  @Test
  void anExecutorCannotSayThatNobodyCanRunIt() throws Exception {
    try (TestFarm farm = new TestFarm(directory)) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(1);
      TestFarm.accepted(
          farm.client().execute(farm.request(new Dag().node("package"), "alice").build()));
      Lease lease = executor.lease(1, 10).getFirst();
      StatusRuntimeException refused =
          assertThrows(
              StatusRuntimeException.class,
              () ->
                  executor.stub.complete(
                      executor.failure(lease, FailureClass.FAILURE_UNSCHEDULABLE, "not for me")));
      assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
      executor.stub.complete(executor.success(lease));
    }
  }

  @ParameterizedTest
  @EnumSource(
      mode = Mode.EXCLUDE,
      names = {"FAILURE_CLASS_UNSPECIFIED", "FAILURE_UNSCHEDULABLE", "UNRECOGNIZED"})
  void onlyWhatWouldFailAgainIsRemembered(FailureClass failureClass) throws Exception {
    Expected expected = expected(failureClass);
    Set<String> broken = ConcurrentHashMap.newKeySet();
    broken.add("package");
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e1")) {
      executor.run(
          1,
          (outcome, lease) ->
              broken.contains(lease.getSpackBuild().getName())
                  ? executor.failure(lease, failureClass, "it went wrong")
                  : executor.success(lease));
      Dag dag = new Dag().node("package");
      Request first = TestFarm.last(farm.client().execute(farm.request(dag, "alice").build()));
      assertEquals(RequestState.REQUEST_FAILED, first.getState());
      Task failed = first.getTasks(0);
      assertEquals(failureClass, failed.getFailure().getFailureClass());
      assertEquals(expected.attempts(), failed.getAttempt());
      assertEquals(expected.attempts(), executor.built.get());

      broken.clear(); // The disk has room again, or whatever it was.
      Request second = TestFarm.last(farm.client().execute(farm.request(dag, "bob").build()));
      assertEquals(
          expected.remembered() ? RequestState.REQUEST_FAILED : RequestState.REQUEST_SUCCEEDED,
          second.getState());
      assertEquals(expected.remembered(), second.getTasks(0).getFailure().getRemembered());
      int more = expected.remembered() ? 0 : 1;
      assertEquals(expected.attempts() + more, executor.built.get());
    }
  }
}
