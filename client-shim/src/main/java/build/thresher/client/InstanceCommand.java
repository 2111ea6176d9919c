package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.MirrorGrpc;
import java.io.IOException;

/** A command about the mirror of one instance. */
abstract class InstanceCommand extends FarmCommand {

  abstract int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance)
      throws IOException, ClientException;

  @Override
  final int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    String instance = Mirrors.of(farm, options.instance()).getName();
    return ask(MirrorGrpc.newBlockingStub(farm.getChannel()), instance);
  }
}
