package build.thresher.scheduler;

import static build.thresher.scheduler.TestActions.action;
import static build.thresher.scheduler.TestActions.command;
import static build.thresher.scheduler.TestActions.execution;
import static build.thresher.scheduler.TestActions.last;
import static build.thresher.scheduler.TestActions.request;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.ExecuteOperationMetadata;
import build.thresher.cas.api.LiveStreams;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.Lease;
import build.thresher.v1.LogStream;
import com.google.longrunning.Operation;
import com.google.protobuf.ByteString;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Iterator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What actions print, while they run and after. */
@Timeout(180)
class LiveOutputTest {
  @TempDir Path directory = Path.of("");

  private static String read(TestFarm farm, String name, long offset) throws Exception {
    LiveStreams.Chunk chunk =
        farm.liveOutputs().read(name, offset, 1000, java.time.Duration.ofMillis(10)).orElseThrow();
    return new String(chunk.bytes(), StandardCharsets.UTF_8) + (chunk.last() ? "$" : "");
  }

  private static void append(ScriptedExecutor executor, Lease lease, String text, long offset) {
    executor.stub.appendLog(
        AppendLogRequest.newBuilder()
            .setFence(lease.getFence())
            .setStream(LogStream.LOG_STREAM_STDOUT)
            .setOffset(offset)
            .setData(ByteString.copyFromUtf8(text))
            .build());
  }

  @Test
  void whatAnActionPrintsIsReadFromAnyOffsetWhileItRunsAndAfter() throws Exception {
    try (TestFarm farm = new TestFarm(directory);
        ScriptedExecutor executor = new ScriptedExecutor(farm, "e")) {
      executor.register(1);
      Iterator<Operation> operations = execution(farm).execute(request(action(farm, command())));
      operations.next();
      Lease lease = executor.lease(1, 5).getFirst();
      ExecuteOperationMetadata metadata =
          operations.next().getMetadata().unpack(ExecuteOperationMetadata.class);
      String stdout = metadata.getStdoutStreamName();
      assertTrue(farm.liveOutputs().isName(stdout));
      assertEquals("", read(farm, stdout, 0));
      append(executor, lease, "first, ", 0);
      assertEquals("first, ", read(farm, stdout, 0));
      append(executor, lease, "second", 7);
      assertEquals("second", read(farm, stdout, 7));
      assertEquals("", read(farm, stdout, 13));

      executor.stub.complete(
          executor
              .outcome(lease)
              .setActionResult(
                  ActionResult.newBuilder()
                      .setStdoutDigest(Wire.digest(farm.text("first, second")))
                      .setStderrRaw(ByteString.copyFromUtf8("oh")))
              .build());
      last(operations);
      assertEquals("first, second$", read(farm, stdout, 0));
      assertEquals("cond$", read(farm, stdout, 9));
      assertEquals("oh$", read(farm, metadata.getStderrStreamName(), 0));
      assertThrows(IllegalArgumentException.class, () -> read(farm, stdout, 14));
      assertTrue(
          farm.liveOutputs()
              .read(
                  "default/operations/none/streams/stdout", 0, 10, java.time.Duration.ofMillis(10))
              .isEmpty());
      assertFalse(farm.liveOutputs().isName("default/blobs/" + "ab".repeat(32) + "/5"));
    }
  }
}
