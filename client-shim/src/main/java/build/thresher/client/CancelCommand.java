package build.thresher.client;

import build.thresher.v1.CancelRequest;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Cancels requests. */
@Command(
    name = "cancel",
    description = "Cancel requests. A build that another request waits for goes on.",
    footer = {
      "",
      "Examples:",
      "  thresher cancel 3fb1c2d4          by the beginning of its id",
      "  thresher cancel /kq3w5tz          each active request that holds this node"
    })
final class CancelCommand extends FarmCommand {
  @Parameters(
      arity = "1..*",
      paramLabel = "REQUEST|/HASH",
      description =
          "Id of a request or the beginning of one; or / and the DAG hash of a node or its"
              + " beginning, for each active request that holds it.")
  private List<String> subjects = List.of();

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws ClientException {
    Subjects find = new Subjects(farm, options.instance());
    for (String subject : subjects) {
      if (!subject.startsWith("/")) {
        cancel(farm, find.request(subject));
        continue;
      }
      List<Request> holding = find.holding(subject);
      if (holding.isEmpty()) {
        throw new ClientException(
            ClientException.USAGE, "no active request holds " + Text.clean(subject));
      }
      holding.forEach(request -> cancel(farm, request));
    }
    return 0;
  }

  private static void cancel(FarmGrpc.FarmBlockingStub farm, Request request) {
    String id = Text.clean(request.getRequestId());
    if (request.getState() != RequestState.REQUEST_ACTIVE) {
      System.out.println(
          "==> " + id + " has ended already: " + JsonProgress.word(request.getState()));
      return;
    }
    farm.cancel(CancelRequest.newBuilder().setRequestId(request.getRequestId()).build());
    System.out.println("==> Cancelled " + id);
  }
}
