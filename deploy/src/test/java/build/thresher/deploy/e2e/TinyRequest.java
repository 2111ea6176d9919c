package build.thresher.deploy.e2e;

import build.thresher.cas.api.Scope;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.WireDigests;
import build.thresher.testing.Dag;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ListRequestsRequest;
import build.thresher.v1.Request;
import build.thresher.v1.SpackInputs;
import io.grpc.Channel;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Asks a farm for packages that nobody could build, for tests of what it does before. */
final class TinyRequest {
  private static final Scope SCOPE = Scope.farm("default");

  private final FarmGrpc.FarmBlockingStub farm;
  private final RemoteBlobStore blobs;

  TinyRequest(Channel channel) {
    this.farm = FarmGrpc.newBlockingStub(channel).withWaitForReady();
    this.blobs = new RemoteBlobStore(channel, "default");
  }

  /** Returns when the farm has accepted packages of these names, which need nothing. */
  void execute(String id, String... names) throws IOException {
    Dag dag = new Dag();
    for (String name : names) {
      dag.node(name);
    }
    var empty = WireDigests.toWire(blobs.put(SCOPE, new byte[0]));
    ExecuteRequest.Builder request =
        ExecuteRequest.newBuilder()
            .setInstanceName("default")
            .setRequestId(id)
            .setDag(WireDigests.toWire(blobs.put(SCOPE, dag.document())))
            .setInputs(
                SpackInputs.newBuilder().setCore(empty).setRecipes(empty).setConfiguration(empty));
    for (String name : names) {
      request.addRoots(dag.hash(name));
    }
    farm.withDeadlineAfter(2, TimeUnit.MINUTES).execute(request.build()).next();
  }

  /** Ids of the requests that are not over, in the order of their names. */
  List<String> active() {
    return farm
        .withDeadlineAfter(2, TimeUnit.MINUTES)
        .listRequests(ListRequestsRequest.newBuilder().setActiveOnly(true).build())
        .getRequestsList()
        .stream()
        .map(Request::getRequestId)
        .sorted()
        .toList();
  }
}
