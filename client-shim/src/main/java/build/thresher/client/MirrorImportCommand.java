package build.thresher.client;

import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.client.buildcache.Mirror;
import build.thresher.client.buildcache.MirrorImport;
import build.thresher.client.buildcache.MirrorImport.Fate;
import build.thresher.client.buildcache.MirrorImport.Result;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.MirrorGrpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Takes another binary mirror into the farm. */
@Command(
    name = "import",
    aliases = "migrate",
    description = {
      "Take the specs of another binary mirror into an instance of the farm that is meant for them"
          + " (mirror.pushed in the server's farm.yaml). Layouts v3 and v2 (before Spack 1.0).",
      "The other mirror is only read. Every signature and archive is verified by the server; what is"
          + " taken is signed with the instance's key. Start it again to go on after an interruption."
    },
    footer = {
      "",
      "Exit code: 0 all specs are there, 1 some failed, 2 usage, 3 refused, 4 no farm.",
      "Example: thresher mirror import --instance release https://cache.example.org/mirror"
    })
final class MirrorImportCommand implements Callable<Integer> {
  @Mixin private FarmOptions options = new FarmOptions();

  @Parameters(
      paramLabel = "MIRROR",
      description = "A directory, or a file://, http://, https://, s3:// or oci:// URL.")
  private String where = "";

  @Option(
      names = {"-j", "--jobs"},
      paramLabel = "N",
      description = "Files of the mirror that are read at a time. Default: ${DEFAULT-VALUE}.",
      defaultValue = "8")
  private int jobs;

  @Option(
      names = "--json",
      description = "One JSON object a line: hash, spec, fate, bytes, and why it failed.")
  private boolean json;

  @Option(
      names = "--unsigned",
      description =
          "Leave signatures aside, for mirrors whose keys nobody here trusts: only into an instance that"
              + " takes unsigned specs (mirror.unsigned). Archives are verified all the same.")
  private boolean unsigned;

  @Option(names = "--dry-run", description = "Only list what the mirror has.")
  private boolean dryRun;

  @Override
  public Integer call() throws Exception {
    if (jobs < 1 || jobs > 256) {
      throw new ClientException(ClientException.USAGE, "--jobs is 1 to 256");
    }
    try (Mirror mirror = Mirror.open(where, null)) {
      if (mirror.isOutdated()) {
        System.err.println(
            "thresher: warning: "
                + Text.clean(mirror.name())
                + " has layout v2, of before Spack 1.0");
      }
      List<Mirror.Spec> specs = mirror.specs();
      if (dryRun) {
        specs.forEach(spec -> System.out.println(line(" - ", spec, "")));
        System.out.println(specs.size() + " specs");
        return 0;
      }
      return take(mirror, specs);
    }
  }

  private int take(Mirror mirror, List<Mirror.Spec> specs) throws Exception {
    ManagedChannel channel = options.connect();
    Map<Fate, Integer> counts = new EnumMap<>(Fate.class);
    long[] bytes = {0};
    try {
      String instance = Mirrors.of(FarmGrpc.newBlockingStub(channel), options.instance()).getName();
      new MirrorImport(
              mirror,
              new RemoteBlobStore(channel, instance),
              MirrorGrpc.newBlockingStub(channel),
              instance,
              !unsigned)
          .run(
              specs,
              jobs,
              result -> {
                counts.merge(result.fate(), 1, Integer::sum);
                bytes[0] += result.bytes();
                System.out.println(json ? JsonProgress.write(object(result)) : line(result));
              });
    } catch (StatusRuntimeException e) {
      throw options.explain(e);
    } finally {
      channel.shutdownNow();
    }
    if (!json) {
      System.out.printf(
          "%d specs: %d taken, %d there already, %d there with another archive, %d failed; %d bytes uploaded%n",
          specs.size(),
          counts.getOrDefault(Fate.TAKEN, 0),
          counts.getOrDefault(Fate.ALREADY_THERE, 0),
          counts.getOrDefault(Fate.DIFFERENT, 0),
          counts.getOrDefault(Fate.FAILED, 0),
          bytes[0]);
    }
    return counts.containsKey(Fate.FAILED) ? ClientException.FAILED : 0;
  }

  private static String line(Result result) {
    return switch (result.fate()) {
      case TAKEN -> line("[+]", result.spec(), "");
      case ALREADY_THERE -> line("[=]", result.spec(), "");
      case DIFFERENT -> line("[!]", result.spec(), "  another archive is there, and stays");
      case FAILED -> line("[x]", result.spec(), "  " + result.reason());
    };
  }

  private static String line(String mark, Mirror.Spec spec, String more) {
    return Text.clean(mark + " " + spec.hash().substring(0, 7) + " " + spec.title() + more);
  }

  private static Map<String, Object> object(Result result) {
    Map<String, Object> object = new TreeMap<>();
    object.put("hash", result.spec().hash());
    object.put("spec", result.spec().title());
    object.put("fate", result.fate().name().toLowerCase(Locale.ROOT));
    object.put("bytes", result.bytes());
    if (!result.reason().isEmpty()) {
      object.put("reason", result.reason());
    }
    return object;
  }
}
