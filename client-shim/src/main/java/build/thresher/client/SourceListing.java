package build.thresher.client;

import build.thresher.cas.client.WireDigests;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.NamedSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** Prints an instance's sources. */
abstract class SourceListing extends FarmCommand {
  @Option(names = "--json", description = "One JSON object a line.")
  private boolean json;

  @Override
  final int ask(FarmGrpc.FarmBlockingStub farm) throws ClientException {
    String instance = Mirrors.of(farm, options.instance()).getName();
    List<NamedSource> all = SourcesCommand.all(farm.getChannel(), instance);
    long bytes = 0;
    for (NamedSource source : all) {
      bytes += source.getDigest().getSizeBytes();
      System.out.println(json ? JsonProgress.write(object(source)) : line(source));
    }
    if (!json) {
      System.out.printf("%d sources, %s%n", all.size(), Amounts.size(bytes));
    }
    return 0;
  }

  private static String line(NamedSource source) {
    String more = source.getNamesCount() == 0 ? "" : "  " + source.getMirrorPath();
    return Text.clean(
        "%s  %s%s"
            .formatted(
                SourcesCommand.title(source),
                Amounts.size(source.getDigest().getSizeBytes()),
                more));
  }

  private static Map<String, Object> object(NamedSource source) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("path", source.getMirrorPath());
    object.put("names", source.getNamesList());
    object.put("sha256", WireDigests.fromWire(source.getDigest()).hex());
    object.put("bytes", source.getDigest().getSizeBytes());
    object.put("added", source.getAdded());
    return object;
  }
}
