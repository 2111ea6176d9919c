package build.thresher.client;

import build.thresher.v1.ExecutorStatus;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.FarmStatus;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.InstanceStatus;
import build.thresher.v1.Request;
import build.thresher.v1.Task;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Shows the farm, or one request. */
@Command(name = "status", description = "Show executors, queue and mirror, or one request.")
final class StatusCommand extends FarmCommand {
  @Parameters(arity = "0..1", paramLabel = "REQUEST", description = "Id of a request.")
  private String request = "";

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) {
    if (request.isEmpty()) {
      print(farm.getStatus(GetStatusRequest.getDefaultInstance()));
    } else {
      print(farm.getRequest(GetRequestRequest.newBuilder().setRequestId(request).build()));
    }
    return 0;
  }

  private void print(FarmStatus status) {
    System.out.printf("farm at %s, version %s%n", options.server(), status.getServerVersion());
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
          instance.getMirrorUrl(),
          instance.getPublishedSpecs(),
          instance.getSigningKeyFingerprint());
    }
    if (status.getExecutorsCount() == 0) {
      System.out.println("no executor is connected");
    }
    for (ExecutorStatus executor : status.getExecutorsList()) {
      System.out.printf(
          "executor %s: %d of %d slots busy, %s %s%n",
          executor.getExecutor(),
          executor.getBusy(),
          executor.getSlots(),
          executor.getOperatingSystem(),
          executor.getTarget());
    }
  }

  private static void print(Request request) {
    System.out.printf(
        "request %s of %s: %s%n",
        request.getRequestId(),
        request.getClient(),
        request.getState().name().replace("REQUEST_", "").toLowerCase(Locale.ROOT));
    for (Task task : request.getTasksList()) {
      System.out.printf(
          "  %s %s@%s %s%s%s%n",
          Text.shortHash(task.getHash()),
          Text.clean(task.getName()),
          Text.clean(task.getVersion()),
          task.getState().name().replace("TASK_", "").toLowerCase(Locale.ROOT),
          task.getPhase().isEmpty() ? "" : " (" + Text.clean(task.getPhase()) + ")",
          task.getExecution().isEmpty() ? "" : "  " + task.getExecution());
    }
  }
}
