package build.thresher.client;

import build.thresher.v1.ExecutorStatus;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.InstanceStatus;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows the farm, or one request. */
@Command(
    name = "status",
    description = "Show executors, queue and mirror, or one request.",
    footer = {
      "",
      "Examples:",
      "  thresher status                   the farm",
      "  thresher status 3fb1c2d4          a request, by the beginning of its id",
      "  thresher status --json            for programs"
    })
final class StatusCommand extends FarmCommand {
  @Parameters(
      arity = "0..1",
      paramLabel = "REQUEST",
      description = "Id of a request, or the beginning of one.")
  private String request = "";

  @Option(names = "--json", description = "Print one JSON object instead of text.")
  private boolean json;

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws ClientException {
    if (!request.isEmpty()) {
      Request found = new Subjects(farm, options.instance()).request(request);
      if (json) {
        System.out.println(JsonProgress.write(JsonProgress.object(found)));
      } else {
        print(found);
      }
      return 0;
    }
    FarmStatus status = farm.getStatus(GetStatusRequest.getDefaultInstance());
    if (json) {
      System.out.println(JsonProgress.write(object(status)));
    } else {
      print(status);
    }
    return 0;
  }

  private static Map<String, Object> object(FarmStatus status) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("version", status.getServerVersion());
    object.put("waiting", status.getWaiting());
    object.put("ready", status.getReady());
    object.put("leased", status.getLeased());
    object.put("publishing", status.getPublishing());
    object.put("active_requests", status.getActiveRequests());
    object.put("blobs", status.getBlobCount());
    object.put("bytes", status.getBlobBytes());
    object.put("mirrors", status.getInstancesList().stream().map(Mirrors::object).toList());
    object.put("executors", status.getExecutorsList().stream().map(StatusCommand::object).toList());
    return object;
  }

  private static Map<String, Object> object(ExecutorStatus executor) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("executor", executor.getExecutor());
    object.put("slots", executor.getSlots());
    object.put("busy", executor.getBusy());
    object.put("operating_system", executor.getOperatingSystem());
    object.put("target", executor.getTarget());
    object.put("labels", executor.getLabelsMap());
    return object;
  }

  private void print(FarmStatus status) {
    System.out.printf(
        "farm at %s, version %s%n", options.server(), Text.clean(status.getServerVersion()));
    System.out.printf(
        "queue: %d waiting, %d ready, %d building, %d publishing; %d active requests%n",
        status.getWaiting(),
        status.getReady(),
        status.getLeased(),
        status.getPublishing(),
        status.getActiveRequests());
    System.out.printf(
        Locale.ROOT,
        "store: %,d blobs, %.1f MiB%n",
        status.getBlobCount(),
        status.getBlobBytes() / 1048576.0);
    for (InstanceStatus instance : status.getInstancesList()) {
      System.out.printf(
          "mirror: %s (%d specs), signed by %s%n",
          Text.clean(instance.getMirrorUrl()),
          instance.getPublishedSpecs(),
          Text.clean(instance.getSigningKeyFingerprint()));
      if (instance.getPublishedSpecs() > 0) {
        System.out.println("  " + Mirrors.size(instance));
      }
    }
    printRatio(status);
    if (status.getExecutorsCount() == 0) {
      System.out.println("no executor is connected");
    }
    for (ExecutorStatus executor : status.getExecutorsList()) {
      System.out.printf(
          "executor %s: %d of %d slots busy, %s %s%n",
          Text.clean(executor.getExecutor()),
          executor.getBusy(),
          executor.getSlots(),
          Text.clean(executor.getOperatingSystem()),
          Text.clean(executor.getTarget()));
    }
  }

  /** What it is worth that instances share blobs. */
  private static void printRatio(FarmStatus status) {
    long logical =
        status.getInstancesList().stream().mapToLong(InstanceStatus::getLogicalBytes).sum();
    long stored = status.getInstancesList().stream().mapToLong(InstanceStatus::getAddedBytes).sum();
    if (stored > 0) {
      System.out.printf(
          Locale.ROOT,
          "mirrors: %s named, %s stored, ratio %.2f%n",
          Amounts.size(logical),
          Amounts.size(stored),
          (double) logical / stored);
    }
  }

  private static void print(Request request) {
    System.out.printf(
        "request %s of %s: %s%n",
        Text.clean(request.getRequestId()),
        Text.clean(request.getClient()),
        JsonProgress.word(request.getState()));
    for (Task task : request.getTasksList()) {
      System.out.printf(
          "  %s %s@%s %s%s%s%n",
          Text.shortHash(task.getHash()),
          Text.clean(task.getName()),
          Text.clean(task.getVersion()),
          task.getState().name().replace("TASK_", "").toLowerCase(Locale.ROOT),
          task.getPhase().isEmpty() ? "" : " (" + Text.clean(task.getPhase()) + ")",
          task.getExecution().isEmpty() ? "" : "  " + Text.clean(task.getExecution()));
    }
  }
}
