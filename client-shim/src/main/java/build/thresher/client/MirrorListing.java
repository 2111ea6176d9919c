package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.InstanceStatus;
import picocli.CommandLine.Option;

/** Prints where Spack reads what the farm has. */
abstract class MirrorListing extends FarmCommand {
  @Option(names = "--json", description = "One JSON object: name, url, fingerprint, specs, bytes.")
  private boolean json;

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws ClientException {
    InstanceStatus instance = Mirrors.of(farm, options.instance());
    if (json) {
      System.out.println(JsonProgress.write(Mirrors.object(instance)));
      return 0;
    }
    String url = Text.clean(instance.getMirrorUrl());
    System.out.println(url + " (" + instance.getPublishedSpecs() + " specs)");
    System.out.println(Mirrors.size(instance));
    System.out.println("signed by " + Text.clean(instance.getSigningKeyFingerprint()));
    System.out.println("\n  spack mirror add --type binary farm " + url);
    System.out.println("  spack buildcache keys --install --trust");
    return 0;
  }
}
