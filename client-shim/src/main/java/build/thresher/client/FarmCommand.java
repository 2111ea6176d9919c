package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Mixin;

/** A command that asks the farm something and prints the answer. */
abstract class FarmCommand implements Callable<Integer> {
  @Mixin protected FarmOptions options = new FarmOptions();

  abstract int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException;

  @Override
  public final Integer call() throws Exception {
    ManagedChannel channel = options.connect();
    try {
      return ask(FarmGrpc.newBlockingStub(channel));
    } catch (StatusRuntimeException e) {
      throw options.explain(e);
    } finally {
      channel.shutdownNow();
    }
  }
}
