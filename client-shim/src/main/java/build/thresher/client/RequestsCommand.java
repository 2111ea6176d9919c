package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.Request;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Lists requests. */
@Command(name = "requests", description = "List requests, newest first.")
final class RequestsCommand extends FarmCommand {
  @Option(names = "--active", description = "Only those that have not ended.")
  private boolean active;

  @Option(
      names = {"-n", "--limit"},
      paramLabel = "N",
      description = "At most so many, up to 1000. Default: ${DEFAULT-VALUE}.",
      defaultValue = "20")
  private int limit;

  @Option(names = "--json", description = "Print one JSON object a line instead of text.")
  private boolean json;

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws ClientException {
    if (limit < 1 || limit > 1000) {
      throw new ClientException(ClientException.USAGE, "--limit takes a number from 1 to 1000");
    }
    var answer =
        farm.listRequests(
            ListRequestsRequest.newBuilder()
                .setInstanceName(options.instance())
                .setActiveOnly(active)
                .setPageSize(limit)
                .build());
    for (Request request : answer.getRequestsList()) {
      System.out.println(json ? JsonProgress.write(JsonProgress.object(request)) : line(request));
    }
    return 0;
  }

  private static String line(Request request) {
    Instant created =
        Instant.ofEpochSecond(request.getCreated().getSeconds()).truncatedTo(ChronoUnit.SECONDS);
    return String.format(
        "%s  %s  %-9s  %s",
        Text.clean(request.getRequestId()),
        created,
        JsonProgress.word(request.getState()),
        Text.clean(request.getClient()));
  }
}
