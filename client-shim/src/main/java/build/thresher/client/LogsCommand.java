package build.thresher.client;

import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Task;
import build.thresher.v1.WaitExecutionRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Iterator;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Prints the log of a build. */
@Command(
    name = "logs",
    description = "Print the log of a build, also while it runs.",
    footer = {
      "",
      "Examples:",
      "  thresher logs /kq3w5tz            the last build of a node, by the beginning of its hash",
      "  thresher logs -f --tail 20 /kq3w5tz",
      "  thresher logs 3fb1c2d4            all builds of a request, one after the other",
      "  thresher logs default/operations/17"
    })
final class LogsCommand extends FarmCommand {
  @Option(
      names = {"-f", "--follow"},
      description = "Go on until the build has ended.")
  private boolean follow;

  @Option(names = "--offset", paramLabel = "BYTES", description = "Skip so many bytes.")
  private long offset;

  @Option(
      names = {"-n", "--tail"},
      paramLabel = "LINES",
      description = "Only the last lines of what there is; with -f, what comes then.",
      defaultValue = "-1")
  private int tail;

  @Parameters(
      paramLabel = "EXECUTION|/HASH|REQUEST",
      description =
          "Name of an execution; / and the DAG hash of a node or its beginning; or the id of a"
              + " request or its beginning (all of its builds, one after the other).")
  private String subject = "";

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    if (offset < 0 || tail < -1 || (offset > 0 && tail >= 0)) {
      throw new ClientException(
          ClientException.USAGE,
          "--offset takes a number of bytes from 0 on, --tail a number of lines, and not both");
    }
    Logs logs = new Logs(farm);
    Subjects find = new Subjects(farm, options.instance());
    if (subject.startsWith("/")) {
      copy(logs, ofHash(farm, find.hash(subject)));
    } else if (subject.contains("/")) {
      copy(logs, subject);
    } else {
      for (Task task : find.request(subject).getTasksList()) {
        if (!task.getExecution().isEmpty()) {
          System.out.println("==> " + Text.spec(task) + " " + Text.clean(task.getExecution()));
          copy(logs, task.getExecution());
        }
      }
    }
    return 0;
  }

  private void copy(Logs logs, String execution) throws IOException {
    long from = offset;
    if (tail >= 0) {
      LastLines last = new LastLines(tail);
      logs.copy(execution, 0, false, last);
      last.writeTo(out());
      from = last.length();
      if (!follow) {
        return;
      }
    }
    logs.copy(execution, from, follow, out());
  }

  /**
   * As the build printed it into files and pipes; what it printed is not for a terminal to obey.
   */
  private static OutputStream out() {
    return Watching.isTerminal() ? new TerminalLog(System.out) : System.out;
  }

  private String ofHash(FarmGrpc.FarmBlockingStub farm, String hash) throws ClientException {
    Iterator<ExecuteUpdate> updates =
        farm.waitExecution(
            WaitExecutionRequest.newBuilder()
                .setInstanceName(options.instance())
                .setSpecHash(hash)
                .build());
    while (updates.hasNext()) {
      for (Task task : tasks(updates.next())) {
        if (task.getHash().equals(hash) && !task.getExecution().isEmpty()) {
          return task.getExecution();
        }
      }
    }
    throw new ClientException(ClientException.REFUSED, "no execution of /" + hash + " is known");
  }

  private static List<Task> tasks(ExecuteUpdate update) {
    return switch (update.getUpdateCase()) {
      case ACCEPTED -> update.getAccepted().getTasksList();
      case TASK -> List.of(update.getTask());
      case FINISHED -> update.getFinished().getTasksList();
      case HEARTBEAT, UPDATE_NOT_SET -> List.of();
    };
  }
}
