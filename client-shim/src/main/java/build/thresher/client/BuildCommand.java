package build.thresher.client;

import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreUnavailableException;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.v1.ExecuteOptions;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.InstanceStatus;
import build.thresher.v1.Request;
import com.google.protobuf.Duration;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Carries out a plan of the Spack extension: upload what is missing, build, wait. */
@Command(
    name = "build",
    description =
        "Build a plan that `spack farm install` wrote. The first Ctrl-C detaches; the build goes on.")
final class BuildCommand implements Callable<Integer> {
  @Spec
  private picocli.CommandLine.Model.CommandSpec spec =
      picocli.CommandLine.Model.CommandSpec.create();

  @Mixin private FarmOptions options = new FarmOptions();
  @Mixin private Watching watching = new Watching();

  @Parameters(paramLabel = "PLAN", description = "Plan (JSON): a file, or a pipe.")
  private Path plan = Path.of("");

  @Option(
      names = {"-j", "--jobs"},
      paramLabel = "N",
      description = "Parallel jobs in each build. Default: the plan's, else the executor's.")
  private int jobs;

  @Option(names = "--fail-fast", description = "Hand out no further builds after a failure.")
  private boolean failFast;

  @Option(names = "--retry-failed", description = "Build again what the farm remembers as broken.")
  private boolean retryFailed;

  @Option(
      names = "--priority",
      paramLabel = "N",
      description = "Higher goes first among your own builds. Default: 0.")
  private int priority;

  @Option(
      names = "--timeout",
      paramLabel = "MINUTES",
      description = "Kill a single build after so long. Default: the farm's.")
  private int timeoutMinutes;

  @Option(
      names = "--label",
      paramLabel = "NAME=VALUE",
      description = "Build only on executors with this label. May be given more than once.")
  private Map<String, String> labels = Map.of();

  @Option(names = "--detach", description = "End as soon as the farm has accepted the request.")
  private boolean detach;

  @Option(
      names = "--show-log-on-error",
      description = "Print whole logs of failed builds, not only their ends.")
  private boolean wholeLogs;

  @Option(
      names = "--result",
      paramLabel = "FILE",
      description = "When the request has ended, write it to FILE as JSON, with the farm's mirror.")
  private @Nullable Path result;

  @Option(
      names = "--mirror",
      paramLabel = "FILE",
      description = "Before the plan is read, write what the farm's mirror is to FILE as JSON.")
  private @Nullable Path mirror;

  /** A minute in all. */
  private static final int LONGEST_PAUSE_SECONDS = 32;

  @Override
  public Integer call() throws Exception {
    if (jobs < 0 || timeoutMinutes < 0) {
      throw new ParameterException(
          spec.commandLine(), "--jobs and --timeout take a number that is not negative");
    }
    if (!Files.exists(plan)) {
      throw new NoSuchFileException(plan.toString());
    }
    ManagedChannel channel = options.connect();
    try {
      FarmGrpc.FarmBlockingStub farm = FarmGrpc.newBlockingStub(channel);
      // A farm or instance that is not there is known at once.
      InstanceStatus there = Mirrors.of(farm, options.instance());
      if (mirror != null) {
        Files.writeString(mirror, JsonProgress.write(Mirrors.object(there)) + "\n");
      }
      return carryOut(Plan.read(plan), farm, channel); // Spack may be making the plan all the while
    } catch (StatusRuntimeException e) {
      throw options.explain(e);
    } finally {
      channel.shutdownNow();
    }
  }

  private int carryOut(Plan read, FarmGrpc.FarmBlockingStub farm, ManagedChannel channel)
      throws Exception {
    PrintStream out = System.out;
    try (Progress progress = watching.progress(names(Path.of(read.dag())))) {
      ExecuteRequest request = upload(read, channel, progress);
      return detach ? accept(farm, request, progress) : await(farm, request, read, progress, out);
    }
  }

  private static NodeNames names(Path dag) throws Exception {
    try {
      return NodeNames.of(SpecDocument.parse(Files.readAllBytes(dag)));
    } catch (SpecFormatException e) {
      throw new ClientException(
          ClientException.REFUSED, dag + " is no document that Spack wrote: " + e.getMessage());
    }
  }

  private ExecuteRequest upload(Plan read, ManagedChannel channel, Progress progress)
      throws Exception {
    DigestCache digests = DigestCache.load(Logs.cache().resolve("digests"), InstantSource.system());
    PlanUploader uploader =
        new PlanUploader(
            new RemoteBlobStore(channel, options.instance()),
            new Scope(options.instance(), "client"),
            digests);
    String requestId = UUID.randomUUID().toString();
    PlanUploader.Ready ready =
        patiently(
            () -> uploader.upload(read, options.instance(), clientName(), requestId), progress);
    try {
      digests.save();
    } catch (IOException e) {
      progress.note("==> Warning: the cache of digests could not be written: " + e.getMessage());
    }
    progress.note(
        ready.uploaded().blobs() == 0
            ? "==> nothing to upload"
            : String.format(
                Locale.ROOT,
                "==> uploaded %d blobs, %.1f MiB",
                ready.uploaded().blobs(),
                ready.uploaded().bytes() / 1048576.0));
    ExecuteOptions.Builder merged = ready.request().getOptions().toBuilder().setPriority(priority);
    if (jobs > 0) {
      merged.setBuildJobs(jobs);
    }
    if (timeoutMinutes > 0) {
      merged.setTimeout(Duration.newBuilder().setSeconds(60L * timeoutMinutes));
    }
    merged.putAllLabels(labels);
    merged.setFailFast(merged.getFailFast() || failFast);
    merged.setRetryFailed(merged.getRetryFailed() || retryFailed);
    return ready.request().toBuilder().setOptions(merged).build();
  }

  private interface Upload {
    PlanUploader.Ready run() throws IOException, ClientException;
  }

  /** The farm was there a moment ago: it is restarted, or the network was away. */
  private static PlanUploader.Ready patiently(Upload upload, Progress progress)
      throws IOException, ClientException, InterruptedException {
    for (int pauseSeconds = 1; ; pauseSeconds *= 2) {
      try {
        return upload.run();
      } catch (StoreUnavailableException e) {
        if (pauseSeconds > LONGEST_PAUSE_SECONDS) {
          throw e;
        }
        progress.note(
            "==> Warning: the farm went away during the upload; trying again: " + e.getMessage());
        Thread.sleep(1000L * pauseSeconds);
      }
    }
  }

  /** A stream that is dropped cancels nothing. */
  private static int accept(
      FarmGrpc.FarmBlockingStub farm, ExecuteRequest request, Progress progress) {
    var updates = farm.execute(request);
    while (updates.hasNext()) {
      var update = updates.next();
      if (update.hasFinished()) {
        progress.finished(update.getFinished());
        return Outcome.exitCode(update.getFinished());
      }
      if (update.hasAccepted()) {
        progress.accepted(update.getAccepted());
        progress.note("==> To wait for it: " + Text.command("wait " + request.getRequestId()));
        progress.note("==> To cancel it: " + Text.command("cancel " + request.getRequestId()));
        return 0;
      }
    }
    return ClientException.FAILED;
  }

  private int await(
      FarmGrpc.FarmBlockingStub farm,
      ExecuteRequest request,
      Plan read,
      Progress progress,
      PrintStream out)
      throws Exception {
    Detach armed = Detach.arm(System.err, request.getRequestId());
    try {
      Request ended =
          watching.watch(farm, progress, read.options().verbose(), watch -> watch.execute(request));
      if (result != null) {
        writeResult(result, ended, farm);
      }
      return watching.json()
          ? Outcome.exitCode(ended)
          : new Outcome(out, new Logs(farm), wholeLogs).report(ended);
    } finally {
      armed.disarm();
    }
  }

  private void writeResult(Path file, Request ended, FarmGrpc.FarmBlockingStub farm)
      throws Exception {
    Map<String, Object> object = JsonProgress.object(ended);
    object.put("mirror", Mirrors.object(Mirrors.of(farm, options.instance())));
    Files.writeString(file, JsonProgress.write(object) + "\n");
  }

  private static String clientName() {
    return System.getProperty("user.name", "unknown");
  }
}
