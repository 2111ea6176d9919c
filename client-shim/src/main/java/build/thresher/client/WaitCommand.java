package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.WaitExecutionRequest;
import java.io.IOException;
import java.io.InterruptedIOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Joins a request that runs, or has ended. */
@Command(
    name = "wait",
    description = "Show a request until it has ended. Ctrl-C cancels nothing.",
    footer = {
      "",
      "Examples:",
      "  thresher wait 3fb1c2d4            a request, by the beginning of its id",
      "  thresher wait /kq3w5tz            whoever asked for this node"
    })
final class WaitCommand extends FarmCommand {
  @Mixin private Watching watching = new Watching();

  @Parameters(
      paramLabel = "REQUEST|/HASH",
      description =
          "Id of a request or the beginning of one; or / and the DAG hash of a node or its"
              + " beginning.")
  private String subject = "";

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    WaitExecutionRequest.Builder join =
        WaitExecutionRequest.newBuilder().setInstanceName(options.instance());
    Subjects find = new Subjects(farm, options.instance());
    if (subject.startsWith("/")) {
      join.setSpecHash(find.hash(subject));
    } else {
      join.setRequestId(find.request(subject).getRequestId());
    }
    try (Progress progress = watching.progress(NodeNames.NONE)) {
      Request ended = watching.watch(farm, progress, false, watch -> watch.join(join.build()));
      return watching.json()
          ? Outcome.exitCode(ended)
          : new Outcome(System.out, new Logs(farm), false).report(ended);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for " + subject);
    }
  }
}
