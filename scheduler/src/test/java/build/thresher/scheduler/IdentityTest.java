package build.thresher.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.bazel.remote.execution.v2.RequestMetadata;
import build.bazel.remote.execution.v2.ToolDetails;
import build.thresher.scheduler.shell.Caller;
import build.thresher.testing.Dag;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetProvenanceRequest;
import build.thresher.v1.Lease;
import build.thresher.v1.Request;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who a client is, is a matter of its credentials, where they say so. */
@Timeout(180)
class IdentityTest {
  private static final Metadata.Key<String> USER =
      Metadata.Key.of("user", Metadata.ASCII_STRING_MARSHALLER);

  @TempDir Path directory = Path.of("");

  /** Believes a header, as a check of credentials would. */
  private static final class Believing implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      String user = headers.get(USER);
      Context context =
          user == null ? Context.current() : Context.current().withValue(Caller.PRINCIPAL, user);
      return Contexts.interceptCall(context, call, headers, next);
    }
  }

  private static FarmGrpc.FarmBlockingStub as(TestFarm farm, String user) {
    Metadata headers = new Metadata();
    headers.put(USER, user);
    return farm.client().withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private static Request ask(TestFarm farm, String user, String claimed, String node) {
    ExecuteRequest request = farm.request(new Dag().node(node), claimed).build();
    return TestFarm.accepted(as(farm, user).execute(request));
  }

  @Test
  void severalNamesGetOneShareWhenTheCredentialsNameOnePerson() throws Exception {
    try (TestFarm farm = new TestFarm(directory, new Believing())) {
      assertEquals("alice", ask(farm, "alice", "a1", "n1").getClient());
      assertEquals("alice", ask(farm, "alice", "a2", "n2").getClient());
      ask(farm, "alice", "a3", "n3");
      ask(farm, "bob", "b", "n4");
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(2);
      List<String> clients = executor.lease(2, 10).stream().map(Lease::getClient).sorted().toList();
      assertEquals(List.of("alice", "bob"), clients);
    }
  }

  private static void askFor(TestFarm farm, @Nullable String user, String invocation, String name) {
    Metadata headers = new Metadata();
    if (user != null) {
      headers.put(USER, user);
    }
    headers.put(
        Metadata.Key.of(
            "build.bazel.remote.execution.v2.requestmetadata-bin", Metadata.BINARY_BYTE_MARSHALLER),
        RequestMetadata.newBuilder()
            .setToolDetails(ToolDetails.newBuilder().setToolName("bazel"))
            .setToolInvocationId(invocation)
            .build()
            .toByteArray());
    TestActions.execution(farm)
        .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
        .execute(TestActions.request(TestActions.action(farm, TestActions.command(name))))
        .next();
  }

  @Test
  void invocationsOfAToolBelongToThePersonOrElseToTheMachineThatAsks() throws Exception {
    try (TestFarm farm = new TestFarm(directory, new Believing())) {
      ScriptedExecutor executor = new ScriptedExecutor(farm, "e1");
      executor.register(8);
      askFor(farm, "alice", "1", "a");
      askFor(farm, "alice", "2", "b");
      askFor(farm, "alice", "3", "c");
      askFor(farm, null, "4", "d");
      askFor(farm, null, "5", "e");
      List<String> clients = executor.lease(8, 10).stream().map(Lease::getClient).toList();
      assertEquals(
          List.of("127.0.0.1 · bazel 4", "127.0.0.1 · bazel 5"),
          clients.stream().filter(c -> !c.startsWith("alice · ")).sorted().toList());
      assertEquals(
          List.of("127.0.0.1", "alice"),
          clients.subList(0, 2).stream().map(c -> c.split(" ", 2)[0]).sorted().toList(),
          "one turn each before anybody has a second");
      assertEquals(5, clients.size());
    }
  }

  @Test
  void aPublishedNodeSaysWhereItComesFrom() throws Exception {
    try (TestFarm farm = new TestFarm(directory, new Believing());
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e1").succeeding(1)) {
      Dag dag = new Dag().external("gcc", "12.2.0", "/usr").node("n", "gcc:build");
      TestFarm.last(as(farm, "alice").execute(farm.request(dag, "a1").build()));
      assertEquals(1, executor.built.get());
      GetProvenanceRequest question =
          GetProvenanceRequest.newBuilder().setSpecHash(dag.hash("n")).build();
      Map<String, String> facts = farm.client().getProvenance(question).getFactsMap();
      assertEquals("alice", facts.get("submitter"));
      assertEquals("e1", facts.get("executor"));
      assertEquals("bubblewrap", facts.get("sandbox"));
      assertEquals("zen4", facts.get("target"));
      assertEquals("c0ffee", facts.get("external gcc@12.2.0 at /usr"));
      assertEquals(farm.text("recipes").toString(), facts.get("recipes"));
      assertEquals(
          Status.Code.NOT_FOUND,
          assertThrows(
                  StatusRuntimeException.class,
                  () ->
                      farm.client()
                          .getProvenance(question.toBuilder().setSpecHash("a".repeat(32)).build()))
              .getStatus()
              .getCode());
    }
  }

  @Test
  void whereTheCredentialsNameNobodyTheClientNamesItself() throws Exception {
    try (TestFarm farm = new TestFarm(directory, new Believing())) {
      ExecuteRequest request = farm.request(new Dag().node("n"), "carol").build();
      assertEquals("carol", TestFarm.accepted(farm.client().execute(request)).getClient());
    }
  }
}
