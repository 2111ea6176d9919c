package build.thresher.client;

import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetRequestRequest;
import build.thresher.v1.Task;
import build.thresher.v1.WaitExecutionRequest;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Prints the log of a build. */
@Command(name = "logs", description = "Print the log of a build, also while it runs.")
final class LogsCommand extends FarmCommand {
  @Option(
      names = {"-f", "--follow"},
      description = "Go on until the build has ended.")
  private boolean follow;

  @Option(names = "--offset", paramLabel = "BYTES", description = "Skip so many bytes.")
  private long offset;

  @Parameters(
      paramLabel = "EXECUTION|/HASH|REQUEST",
      description =
          "Name of an execution, / and the DAG hash of a node, or the id of a request (all of its"
              + " builds, one after the other).")
  private String subject = "";

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    if (offset < 0) {
      throw new ClientException(
          ClientException.USAGE, "--offset takes a number of bytes from 0 on");
    }
    Logs logs = new Logs(farm);
    if (subject.startsWith("/")) {
      logs.copy(ofHash(farm, Hashes.parse(subject)), offset, follow, System.out);
    } else if (subject.contains("/")) {
      logs.copy(subject, offset, follow, System.out);
    } else {
      ofRequest(farm, logs);
    }
    return 0;
  }

  private void ofRequest(FarmGrpc.FarmBlockingStub farm, Logs logs) throws IOException {
    List<Task> tasks =
        farm.getRequest(GetRequestRequest.newBuilder().setRequestId(subject).build())
            .getTasksList();
    for (Task task : tasks) {
      if (!task.getExecution().isEmpty()) {
        System.out.println("==> " + Text.spec(task) + " " + Text.clean(task.getExecution()));
        logs.copy(task.getExecution(), offset, follow, System.out);
      }
    }
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
