package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PromoteRequest;
import build.thresher.v1.PromotedSpec;
import build.thresher.v1.PushOutcome;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Publishes in one instance what another one has. */
@Command(
    name = "promote",
    description = {
      "Publish specs of one instance in another, with what they need to run, signed with the other's"
          + " key. Nothing is copied: both name the same archives."
    },
    footer = {"", "Example: thresher mirror promote --from develop --to release hdf5@1.14.5"})
final class MirrorPromoteCommand extends FarmCommand {
  @Option(names = "--from", required = true, paramLabel = "INSTANCE", description = "Has them.")
  private String from = "";

  @Option(names = "--to", required = true, paramLabel = "INSTANCE", description = "Gets them.")
  private String to = "";

  @Option(
      names = "--with-build-dependencies",
      description = "What they were built with, too, as far as it is there.")
  private boolean builtWith;

  @Parameters(
      arity = "1..*",
      paramLabel = "SPEC",
      description = "NAME, NAME@VERSION or /HASH, whole or its beginning.")
  private List<String> specs = new ArrayList<>();

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) {
    Iterator<PromotedSpec> promoted =
        MirrorGrpc.newBlockingStub(farm.getChannel())
            .promote(
                PromoteRequest.newBuilder()
                    .setFromInstance(from)
                    .setToInstance(to)
                    .addAllSpecs(specs)
                    .setWithBuildDependencies(builtWith)
                    .build());
    Map<PushOutcome, Integer> counts = new EnumMap<>(PushOutcome.class);
    while (promoted.hasNext()) {
      PromotedSpec spec = promoted.next();
      counts.merge(spec.getOutcome(), 1, Integer::sum);
      System.out.println(
          Text.clean(
              "%s %s %s@%s"
                  .formatted(
                      mark(spec.getOutcome()),
                      Text.shortHash(spec.getHash()),
                      spec.getName(),
                      spec.getVersion())));
    }
    System.out.printf(
        "%d promoted, %d there already, %d there with another archive%n",
        counts.getOrDefault(PushOutcome.PUSH_PUBLISHED, 0),
        counts.getOrDefault(PushOutcome.PUSH_IDENTICAL, 0),
        counts.getOrDefault(PushOutcome.PUSH_DIFFERENT, 0));
    return 0;
  }

  private static String mark(PushOutcome outcome) {
    return switch (outcome) {
      case PUSH_PUBLISHED -> "[+]";
      case PUSH_IDENTICAL -> "[=]";
      case PUSH_DIFFERENT, PUSH_OUTCOME_UNSPECIFIED, UNRECOGNIZED -> "[!]";
    };
  }
}
