package build.thresher.client;

import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Carries out a plan of the Spack extension: upload what is missing, build, wait. */
@Command(
    name = "build",
    description =
        "Build a plan that `spack farm install` wrote. The first Ctrl-C detaches; the build goes on.")
final class BuildCommand implements Callable<Integer> {
  private static final int TAIL_LINES = 20;

  @Mixin private FarmOptions options = new FarmOptions();

  @Parameters(paramLabel = "PLAN", description = "Plan file (JSON).")
  private Path plan = Path.of("");

  @Override
  public Integer call() throws Exception {
    PrintStream out = System.out;
    Plan read = Plan.read(plan);
    String requestId = UUID.randomUUID().toString();
    ManagedChannel channel = options.connect();
    Detach detach = new Detach(System.err, requestId);
    try {
      PlanUploader.Ready ready =
          new PlanUploader(
                  new RemoteBlobStore(channel, options.instance()),
                  new Scope(options.instance(), "client"))
              .upload(read, options.instance(), clientName(), requestId);
      out.println(
          ready.uploaded().blobs() == 0
              ? "==> nothing to upload"
              : String.format(
                  "==> uploaded %d blobs, %.1f MiB",
                  ready.uploaded().blobs(), ready.uploaded().bytes() / 1048576.0));
      FarmGrpc.FarmBlockingStub farm = FarmGrpc.newBlockingStub(channel);
      detach.arm();
      Request ended =
          new RequestWatch(farm, new Progress(out, System::nanoTime), System.err)
              .execute(ready.request());
      return report(out, ended, new Logs(farm));
    } catch (StatusRuntimeException e) {
      throw options.explain(e);
    } finally {
      detach.disarm();
      channel.shutdownNow();
    }
  }

  private static int report(PrintStream out, Request ended, Logs logs) throws IOException {
    if (ended.getState() == RequestState.REQUEST_SUCCEEDED) {
      return 0;
    }
    if (ended.getState() == RequestState.REQUEST_CANCELLED) {
      out.println("==> Error: the request was cancelled");
      return ClientException.FAILED;
    }
    List<String> failed = new ArrayList<>();
    for (Task task : ended.getTasksList()) {
      if (task.getState() == TaskState.TASK_FAILED) {
        failed.add(failure(out, task, logs));
      }
    }
    out.println("==> Error: The following packages failed to install:");
    failed.forEach(line -> out.println("    " + line));
    out.flush();
    return ClientException.FAILED;
  }

  private static String failure(PrintStream out, Task task, Logs logs) throws IOException {
    String spec = task.getName() + "@" + task.getVersion() + "/" + task.getHash().substring(0, 7);
    String reason = task.getFailure().getMessage();
    if (task.getExecution().isEmpty()) {
      return spec + ": " + reason;
    }
    try {
      Path log = logs.save(task.getExecution(), task.getName() + "-" + task.getHash());
      List<String> lines = Files.readAllLines(log, StandardCharsets.ISO_8859_1);
      out.println("==> Error: " + spec + ": " + reason + "; the end of its log:");
      lines.stream()
          .skip(Math.max(0, lines.size() - TAIL_LINES))
          .forEach(line -> out.println("  " + line));
      return spec + ": " + log;
    } catch (StatusRuntimeException e) {
      return spec
          + ": "
          + reason
          + " (its log cannot be read: "
          + e.getStatus().getDescription()
          + ")";
    }
  }

  private static String clientName() {
    return System.getProperty("user.name", "unknown");
  }
}
