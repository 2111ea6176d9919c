package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.GetStatusRequest;
import build.thresher.v1.InstanceStatus;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Says where Spack reads what the farm has. */
@Command(
    name = "mirror",
    description = "Print the mirror's URL and how to use it from plain Spack.")
final class MirrorCommand extends FarmCommand {
  @Option(names = "--json", description = "One JSON object: name, url, fingerprint, specs.")
  private boolean json;

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    InstanceStatus instance = instance(farm);
    if (json) {
      Map<String, Object> object = new TreeMap<>();
      object.put("name", instance.getName());
      object.put("url", instance.getMirrorUrl());
      object.put("fingerprint", instance.getSigningKeyFingerprint());
      object.put("specs", instance.getPublishedSpecs());
      System.out.println(JsonMapper.builder().build().writeValueAsString(object));
      return 0;
    }
    System.out.println(instance.getMirrorUrl() + " (" + instance.getPublishedSpecs() + " specs)");
    System.out.println("signed by " + instance.getSigningKeyFingerprint());
    System.out.println("\n  spack mirror add --type binary farm " + instance.getMirrorUrl());
    System.out.println("  spack buildcache keys --install --trust");
    return 0;
  }

  private InstanceStatus instance(FarmGrpc.FarmBlockingStub farm) throws ClientException {
    for (InstanceStatus candidate :
        farm.getStatus(GetStatusRequest.getDefaultInstance()).getInstancesList()) {
      if (options.instance().isEmpty() || options.instance().equals(candidate.getName())) {
        return candidate;
      }
    }
    throw new ClientException(
        ClientException.REFUSED, "this farm has no instance `" + options.instance() + "`");
  }
}
