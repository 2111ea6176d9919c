package build.thresher.deploy.e2e;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.ExecuteRequest;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.ExecutionGrpc;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.WireDigests;
import com.google.longrunning.Operation;
import com.google.protobuf.Message;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Actions that print a number that no other run prints, and a ledger of what clients were told. So
 * a result that is lost, or that another run has replaced, is seen.
 */
final class TinyActions {
  private static final Scope SCOPE = new Scope("default", "test");
  private static final int CALL_SECONDS = 3;
  private static final int PAUSE_MILLIS = 20;

  private final RemoteBlobStore blobs;
  private final ActionCacheGrpc.ActionCacheBlockingStub results;
  private final String salt;
  private final Digest root;
  private final AtomicInteger made = new AtomicInteger();
  private final AtomicInteger broken = new AtomicInteger();

  /** What was printed, by action. */
  private final Map<Digest, String> told = new ConcurrentHashMap<>();

  /**
   * @param good a way to the farm that works
   */
  TinyActions(Channel good, String salt) throws IOException {
    this.blobs = new RemoteBlobStore(good, "default");
    this.results = ActionCacheGrpc.newBlockingStub(good);
    this.salt = salt;
    this.root = put(Directory.getDefaultInstance());
  }

  private Digest put(Message message) throws IOException {
    return blobs.put(SCOPE, message.toByteArray());
  }

  /** How many calls came to nothing and were made again. */
  int brokenCalls() {
    return broken.get();
  }

  /** What was told, by action. */
  Map<Digest, String> told() {
    return Map.copyOf(told);
  }

  /** Asks for a new action until it is told what became of it. */
  Digest run(ManagedChannel rough) throws IOException, InterruptedException {
    Command command =
        Command.newBuilder()
            .addArguments("/bin/sh")
            .addArguments("-c")
            .addArguments("cat /proc/sys/kernel/random/uuid # " + salt + made.incrementAndGet())
            .build();
    Digest action =
        put(
            Action.newBuilder()
                .setCommandDigest(WireDigests.toWire(put(command)))
                .setInputRootDigest(WireDigests.toWire(root))
                .build());
    ExecuteRequest request =
        ExecuteRequest.newBuilder()
            .setInstanceName("default")
            .setActionDigest(WireDigests.toWire(action))
            .build();
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
    while (System.nanoTime() < deadline) {
      try {
        ExecuteResponse response = ask(rough, request);
        if (response.getStatus().getCode() != 0 || response.getResult().getExitCode() != 0) {
          throw new AssertionError("an action that cannot fail has failed: " + response);
        }
        told.put(action, printed(response.getResult()));
        return action;
      } catch (StatusRuntimeException e) {
        broken.incrementAndGet();
        rough.resetConnectBackoff();
        Thread.sleep(PAUSE_MILLIS);
      }
    }
    throw new AssertionError("no answer for " + action + " in two minutes");
  }

  private static ExecuteResponse ask(Channel rough, ExecuteRequest request) throws IOException {
    Iterator<Operation> operations =
        ExecutionGrpc.newBlockingStub(rough)
            .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS)
            .execute(request);
    while (operations.hasNext()) {
      Operation operation = operations.next();
      if (operation.getDone()) {
        return operation.getResponse().unpack(ExecuteResponse.class);
      }
    }
    throw new AssertionError("a stream ended well, but without an answer");
  }

  private String printed(ActionResult result) throws IOException {
    return result.hasStdoutDigest()
        ? new String(
            blobs.readAll(SCOPE, WireDigests.fromWire(result.getStdoutDigest())),
            java.nio.charset.StandardCharsets.UTF_8)
        : result.getStdoutRaw().toStringUtf8();
  }

  /** What the farm says of an action now. */
  String kept(Digest action) throws IOException {
    return printed(
        results
            .withDeadlineAfter(1, TimeUnit.MINUTES)
            .getActionResult(
                GetActionResultRequest.newBuilder()
                    .setInstanceName("default")
                    .setActionDigest(WireDigests.toWire(action))
                    .build()));
  }
}
