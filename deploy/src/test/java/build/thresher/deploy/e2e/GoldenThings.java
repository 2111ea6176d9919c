package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.ActionCacheGrpc.ActionCacheBlockingStub;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.GetActionResultRequest;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.deploy.powercut.Names;
import build.thresher.v1.AppendLogRequest;
import build.thresher.v1.CompleteRequest;
import build.thresher.v1.ExecutorsGrpc;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Fence;
import build.thresher.v1.ListPinsRequest;
import build.thresher.v1.ListViewsRequest;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PinStatus;
import build.thresher.v1.ReadLogRequest;
import build.thresher.v1.ViewStatus;
import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;

/**
 * What a farm keeps besides blobs, specs and requests: results of actions, logs, tags of images,
 * names of sources, pins and views. Each has a kind, a name, and what a farm tells of it.
 */
record GoldenThings(FarmUnderTest farm, ManagedChannel channel, HttpClient http) {
  private static final String IMAGES = "pushed/images";

  /**
   * Makes one of each, for specs that are in the mirror.
   *
   * @param output a blob that is in the store
   * @return lines of kind, name, and what is told
   */
  List<String> make(Blob output) throws Exception {
    String token = Files.readString(farm.tokenFile()).strip();
    Names names = new Names(channel, http, farm.httpAddress(), token);
    List<String> made = new ArrayList<>();
    add(made, "result", keepResult(output.digest()));
    add(made, "log", failedBuild());
    add(made, "tag", names.tag(IMAGES, "golden", output.bytes()).name());
    add(made, "source", names.source("made/made-1.0.tar.gz", output).name());
    add(made, "pin", names.pin("pushed", "kept").name());
    add(made, "view", names.view("pushed", "shown").name());
    return made;
  }

  private void add(List<String> made, String kind, String name) throws Exception {
    made.add(kind + " " + name + " " + told(kind, name));
  }

  /** What the farm tells now. */
  String told(String kind, String name) throws Exception {
    return switch (kind) {
      case "result" -> result(name);
      case "log" -> log(name);
      case "tag" -> answer("/v2/" + IMAGES + "/manifests/" + name);
      case "source" -> answer("/mirror/default/sources/" + name);
      case "pin" -> pin(name);
      case "view" -> view(name);
      default -> throw new AssertionError("what is a " + kind + "?");
    };
  }

  private ActionCacheBlockingStub results() {
    return ActionCacheGrpc.newBlockingStub(channel);
  }

  /** That of an action which is its own output, so that it is whole. */
  private String keepResult(Digest action) {
    ActionResult.Builder result = ActionResult.newBuilder().setExitCode(0);
    result.addOutputFilesBuilder().setPath("out").setDigest(WireDigests.toWire(action));
    ActionResult unused =
        results()
            .updateActionResult(
                UpdateActionResultRequest.newBuilder()
                    .setInstanceName("default")
                    .setActionDigest(WireDigests.toWire(action))
                    .setActionResult(result)
                    .build());
    return action.toString();
  }

  /**
   * @param action hash/size
   */
  private String result(String action) {
    String[] parts = action.split("/", 2);
    Digest digest = Digest.parse(parts[0], Long.parseLong(parts[1]));
    return Digest.of(
            results()
                .getActionResult(
                    GetActionResultRequest.newBuilder()
                        .setInstanceName("default")
                        .setActionDigest(WireDigests.toWire(digest))
                        .build())
                .toByteArray())
        .hex();
  }

  /** Gives its execution, which has a log. */
  private String failedBuild() throws Exception {
    TinyRequest requests = new TinyRequest(channel);
    requests.execute("golden", "golden");
    ExecutorsGrpc.ExecutorsBlockingStub executors = ExecutorsGrpc.newBlockingStub(channel);
    ExecutorByHand executor = new ExecutorByHand(executors, "golden");
    executor.register(1, List.of());
    Fence fence = executor.lease(1, 60).getFirst().getFence();
    var log =
        executors.appendLog(
            AppendLogRequest.newBuilder()
                .setFence(fence)
                .setData(ByteString.copyFrom("it does not build\n", StandardCharsets.UTF_8))
                .build());
    assertEquals(18, log.getCommittedBytes());
    var unused =
        executors.complete(
            CompleteRequest.newBuilder()
                .setExecutor(executor.name())
                .setIncarnation(executor.name())
                .setFence(fence)
                .setFailure(
                    Failure.newBuilder()
                        .setFailureClass(FailureClass.FAILURE_RECIPE)
                        .setMessage("golden"))
                .build());
    while (requests.active().contains("golden")) {
      Thread.sleep(10);
    }
    return fence.getExecution();
  }

  private String log(String execution) {
    List<ByteString> parts = new ArrayList<>();
    FarmGrpc.newBlockingStub(channel)
        .readLog(ReadLogRequest.newBuilder().setExecution(execution).build())
        .forEachRemaining(part -> parts.add(part.getData()));
    return Digest.of(ByteString.copyFrom(parts).toByteArray()).hex();
  }

  private String answer(String path) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://" + farm.httpAddress() + path))
            .header("Authorization", "Bearer " + Files.readString(farm.tokenFile()).strip())
            .build();
    HttpResponse<byte[]> answer = http.send(request, BodyHandlers.ofByteArray());
    assertEquals(200, answer.statusCode(), path);
    return Digest.of(answer.body()).hex();
  }

  private String pin(String name) {
    return MirrorGrpc.newBlockingStub(channel)
        .listPins(ListPinsRequest.newBuilder().setInstanceName("pushed").build())
        .getPinsList()
        .stream()
        .filter(pin -> pin.getName().equals(name))
        .map(GoldenThings::told)
        .findFirst()
        .orElse("gone");
  }

  private static String told(PinStatus pin) {
    return pin.getSpecsList() + " " + pin.getPublished() + " since " + pin.getPinnedMillis();
  }

  private String view(String name) {
    return MirrorGrpc.newBlockingStub(channel)
        .listViews(ListViewsRequest.newBuilder().setInstanceName("pushed").build())
        .getViewsList()
        .stream()
        .filter(view -> view.getName().equals(name))
        .map(GoldenThings::told)
        .findFirst()
        .orElse("gone");
  }

  private static String told(ViewStatus view) {
    return view.getPackagesList() + " " + view.getSpecs();
  }
}
