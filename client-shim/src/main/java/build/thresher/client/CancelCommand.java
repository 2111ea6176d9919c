package build.thresher.client;

import build.thresher.v1.CancelRequest;
import build.thresher.v1.FarmGrpc;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Cancels a request. */
@Command(
    name = "cancel",
    description = "Cancel a request. A build that another request waits for goes on.")
final class CancelCommand extends FarmCommand {
  @Parameters(paramLabel = "REQUEST", description = "Id of the request.")
  private String request = "";

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) {
    farm.cancel(CancelRequest.newBuilder().setRequestId(request).build());
    System.out.println("==> Cancelled " + request);
    return 0;
  }
}
