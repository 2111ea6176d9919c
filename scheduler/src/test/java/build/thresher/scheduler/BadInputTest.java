package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.wire.Wire;
import build.thresher.testing.Dag;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FailureClass;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.NodeSources;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Source;
import build.thresher.v1.SourceList;
import build.thresher.v1.WaitExecutionRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Each way to ask wrongly gets its documented error over a real connection, and loses nothing. */
@Timeout(180)
class BadInputTest {
  private static final Dag DAG = new Dag().node("n0").node("n1", "n0");
  private static final String A = "a".repeat(32);
  private static final String B = "b".repeat(32);

  @TempDir Path directory = Path.of("");
  private TestFarm farm;

  @BeforeEach
  void open() throws Exception {
    farm = new TestFarm(directory);
  }

  /** Whatever was refused: nothing is left of it, and the next good request is accepted. */
  @AfterEach
  void nothingIsLeftOver() throws Exception {
    try (TestFarm open = farm) {
      assertFalse(
          open
              .client()
              .listRequests(ListRequestsRequest.getDefaultInstance())
              .getRequestsList()
              .stream()
              .anyMatch(r -> r.getClient().equals("mallory")));
      Dag next = new Dag().node("next");
      Request accepted =
          TestFarm.accepted(open.client().execute(open.request(next, "alice").build()));
      assertEquals(RequestState.REQUEST_ACTIVE, accepted.getState());
    }
  }

  private ExecuteRequest.Builder good() {
    return farm.request(DAG, "mallory");
  }

  private ExecuteRequest.Builder document(String json) {
    return good().setDag(Wire.digest(farm.text(json)));
  }

  private String refused(Status.Code code, ExecuteRequest.Builder request) {
    StatusRuntimeException e =
        assertThrows(
            StatusRuntimeException.class, () -> farm.client().execute(request.build()).next());
    assertEquals(code, e.getStatus().getCode(), e.getMessage());
    return String.valueOf(e.getStatus().getDescription());
  }

  private static String node(String name, String hash, String more) {
    return "{\"name\":\""
        + name
        + "\",\"version\":\"1.0\",\"arch\":{\"platform\":\"linux\",\"platform_os\":\"debian12\","
        + "\"target\":\"x86_64\"}"
        + more
        + ",\"hash\":\""
        + hash
        + "\"}";
  }

  private static String dependsOn(String hash) {
    return ",\"dependencies\":[{\"name\":\"x\",\"hash\":\""
        + hash
        + "\",\"parameters\":{\"deptypes\":[\"link\"],\"virtuals\":[]}}]";
  }

  private static String spec(String... nodes) {
    return "{\"spec\":{\"_meta\":{\"version\":5},\"nodes\":[" + String.join(",", nodes) + "]}}";
  }

  @Test
  void aRootThatIsNoHashOrNoNode() {
    assertTrue(refused(Status.Code.INVALID_ARGUMENT, good().addRoots("x")).contains("32"));
    assertTrue(refused(Status.Code.INVALID_ARGUMENT, good().addRoots(A)).contains(A));
  }

  @Test
  void aHashToWaitForThatIsMalformedOrUnknown() {
    WaitExecutionRequest.Builder wait = WaitExecutionRequest.newBuilder();
    for (String hash : List.of("x", "A".repeat(32), "../" + A)) {
      StatusRuntimeException e =
          assertThrows(
              StatusRuntimeException.class,
              () -> farm.client().waitExecution(wait.setSpecHash(hash).build()).next());
      assertEquals(Status.Code.INVALID_ARGUMENT, e.getStatus().getCode());
    }
    StatusRuntimeException unknown =
        assertThrows(
            StatusRuntimeException.class,
            () -> farm.client().waitExecution(wait.setSpecHash(A).build()).next());
    assertEquals(Status.Code.NOT_FOUND, unknown.getStatus().getCode());
  }

  @Test
  void aNodeWhoseContentDoesNotGiveItsHash() {
    String changed =
        new String(DAG.document(), StandardCharsets.UTF_8)
            .replaceFirst("\"version\":\"1.0\"", "\"version\":\"1.1\"");
    String why = refused(Status.Code.INVALID_ARGUMENT, document(changed));
    assertTrue(why.contains("its content gives the hash"), why);
  }

  @Test
  void aCycle() {
    String why =
        refused(
            Status.Code.INVALID_ARGUMENT,
            document(spec(node("a", A, dependsOn(B)), node("b", B, dependsOn(A)))));
    assertTrue(why.contains("cycle"), why);
  }

  @Test
  void aNodeThatIsMissing() {
    String why = refused(Status.Code.INVALID_ARGUMENT, document(spec(node("a", A, dependsOn(B)))));
    assertTrue(why.contains(B), why);
  }

  @Test
  void aSplicedSpec() {
    String spliced = node("a", A, ",\"build_spec\":{\"name\":\"a\",\"hash\":\"" + B + "\"}");
    String why = refused(Status.Code.INVALID_ARGUMENT, document(spec(spliced, node("a", B, ""))));
    assertTrue(why.contains("a@1.0/" + A.substring(0, 7) + " is spliced"), why);
  }

  @Test
  void whatIsNoDocument() {
    for (String text : List.of("", "{", "[]", "null", "{\"spec\":1}", "\u0000", "{}")) {
      refused(Status.Code.INVALID_ARGUMENT, document(text));
    }
  }

  @Test
  void aNameThatWouldEscapeFromAPath() {
    for (String name : List.of("../../etc", "a b", "a\\nb")) {
      String why =
          refused(
              Status.Code.INVALID_ARGUMENT,
              good().setDag(Wire.digest(farm.blobs.add(new Dag().node(name).document()))));
      assertTrue(why.contains("a slash, a space or a control character"), why);
    }
  }

  @Test
  void aBlobThatIsMissingIsNamed() {
    ExecuteRequest.Builder noDag = good();
    noDag.getDagBuilder().setHash("0".repeat(64));
    noDag.getInputsBuilder().getCoreBuilder().setHash("1".repeat(64));
    String why = refused(Status.Code.FAILED_PRECONDITION, noDag);
    assertTrue(why.contains("0".repeat(64)) && why.contains("1".repeat(64)), why);
  }

  @Test
  void aDigestThatIsNone() {
    for (String hash : List.of("", "0", "Z".repeat(64), "A".repeat(64), "../" + "0".repeat(61))) {
      ExecuteRequest.Builder bad = good();
      bad.getDagBuilder().setHash(hash);
      refused(Status.Code.INVALID_ARGUMENT, bad);
    }
    ExecuteRequest.Builder negative = good();
    negative.getDagBuilder().setSizeBytes(-1);
    refused(Status.Code.INVALID_ARGUMENT, negative);
  }

  @Test
  void aSourceThatCannotBeHad() {
    SourceList sources =
        SourceList.newBuilder()
            .addNodes(
                NodeSources.newBuilder()
                    .setHash(DAG.hash("n1"))
                    .addSources(Source.newBuilder().setUnsupported("it comes from git")))
            .build();
    String why =
        refused(
            Status.Code.INVALID_ARGUMENT,
            good().setSources(Wire.digest(farm.blobs.add(sources.toByteArray()))));
    assertTrue(why.contains("it comes from git"), why);
  }

  @Test
  void aRequestWithoutWhatItNeedsOrForNoInstance() {
    refused(Status.Code.INVALID_ARGUMENT, good().clearDag());
    refused(Status.Code.INVALID_ARGUMENT, good().clearInputs());
    refused(Status.Code.INVALID_ARGUMENT, good().setRequestId("a/b"));
    refused(Status.Code.INVALID_ARGUMENT, good().setClient("m".repeat(1000)));
    refused(Status.Code.NOT_FOUND, good().setInstanceName("no"));
  }

  @Test
  void aMessageThatIsTooLargeAndADocumentThatIs() {
    refused(Status.Code.RESOURCE_EXHAUSTED, good().setClient("m".repeat(17 << 20)));
    byte[] large = new byte[(64 << 20) + 1];
    String why =
        refused(Status.Code.INVALID_ARGUMENT, good().setDag(Wire.digest(farm.blobs.add(large))));
    assertTrue(why.contains("at most"), why);
  }

  @Test
  void anExternalThatNoExecutorHas() {
    new ScriptedExecutor(farm, "e1").register(1);
    Dag dag = new Dag().external("gcc", "14.1.0", "/opt/gcc").node("needy", "gcc:build");
    Request done = TestFarm.last(farm.client().execute(farm.request(dag, "bob").build()));
    assertEquals(
        FailureClass.FAILURE_UNSCHEDULABLE, done.getTasks(0).getFailure().getFailureClass());
    String message = done.getTasks(0).getFailure().getMessage();
    assertTrue(message.contains("e1: it has no gcc@14.1.0 at /opt/gcc"), message);
  }

  @Test
  void anExecutorWithoutSlotsOrWithTooManyIsRefused() {
    ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
    for (int slots : new int[] {-1, 0, 1_025, Integer.MAX_VALUE}) {
      StatusRuntimeException refused =
          assertThrows(StatusRuntimeException.class, () -> executor.register(slots));
      assertEquals(Status.Code.INVALID_ARGUMENT, refused.getStatus().getCode());
    }
    executor.register(1_024);
  }

  @Test
  void theTextOfAFailureIsCutOff() {
    try (ScriptedExecutor executor = new ScriptedExecutor(farm, "e1")) {
      executor.run(
          1,
          (outcome, lease) ->
              executor.failure(lease, FailureClass.FAILURE_RECIPE, "x".repeat(100_000)));
      Dag dag = new Dag().node("wordy");
      Request done = TestFarm.last(farm.client().execute(farm.request(dag, "bob").build()));
      int length = done.getTasks(0).getFailure().getMessage().length();
      assertTrue(length > 3_000 && length <= 4_001, length + " characters");
    }
  }

  @Test
  void aClientThatIsGoneCancelsNothingAndFindsItsRequestAgain() {
    ManagedChannel connection = farm.connect();
    Iterator<ExecuteUpdate> updates =
        FarmGrpc.newBlockingStub(connection).execute(farm.request(DAG, "bob").build());
    String id = TestFarm.accepted(updates).getRequestId();
    connection.shutdownNow();
    try (ScriptedExecutor executor = new ScriptedExecutor(farm, "e1").succeeding(1)) {
      for (WaitExecutionRequest again :
          List.of(
              WaitExecutionRequest.newBuilder().setRequestId(id).build(),
              WaitExecutionRequest.newBuilder().setSpecHash(DAG.hash("n1")).build())) {
        Request done = TestFarm.last(farm.client().waitExecution(again));
        assertEquals(id, done.getRequestId());
        assertEquals(RequestState.REQUEST_SUCCEEDED, done.getState());
      }
      assertEquals(2, executor.built.get());
    }
  }
}
