package build.thresher.client;

import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Task;
import build.thresher.v1.WaitExecutionRequest;
import java.io.IOException;
import java.util.Iterator;
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
      paramLabel = "EXECUTION|/HASH",
      description = "Name of an execution, or / and the DAG hash of a node.")
  private String subject = "";

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    String execution = subject.startsWith("/") ? ofHash(farm, subject.substring(1)) : subject;
    new Logs(farm).copy(execution, offset, follow, System.out);
    return 0;
  }

  private String ofHash(FarmGrpc.FarmBlockingStub farm, String hash) throws ClientException {
    Iterator<ExecuteUpdate> updates =
        farm.waitExecution(
            WaitExecutionRequest.newBuilder()
                .setInstanceName(options.instance())
                .setSpecHash(hash)
                .build());
    while (updates.hasNext()) {
      ExecuteUpdate update = updates.next();
      Iterable<Task> tasks =
          switch (update.getUpdateCase()) {
            case ACCEPTED -> update.getAccepted().getTasksList();
            case TASK -> java.util.List.of(update.getTask());
            case FINISHED -> update.getFinished().getTasksList();
            case HEARTBEAT, UPDATE_NOT_SET -> java.util.List.of();
          };
      for (Task task : tasks) {
        if (task.getHash().equals(hash) && !task.getExecution().isEmpty()) {
          return task.getExecution();
        }
      }
    }
    throw new ClientException(ClientException.REFUSED, "no execution of /" + hash + " is known");
  }
}
