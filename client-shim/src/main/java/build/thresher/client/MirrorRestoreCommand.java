package build.thresher.client;

import build.thresher.v1.ListPrunedRequest;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PrunedSpec;
import build.thresher.v1.RestoreRequest;
import build.thresher.v1.RestoreResponse;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Puts back what was pruned. */
@Command(
    name = "restore",
    description = {
      "Put pruned specs back, with what they need. Without a spec: list what can be put back."
    },
    footer = {"", "Example: thresher mirror restore hdf5 /abcdefg"})
final class MirrorRestoreCommand extends InstanceCommand {
  @Parameters(
      arity = "0..*",
      paramLabel = "SPEC",
      description = "NAME, NAME@VERSION or /HASH, whole or its beginning.")
  private List<String> specs = new ArrayList<>();

  @Option(names = "--all", description = "All that can be.")
  private boolean all;

  @Override
  int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
    if (specs.isEmpty() && !all) {
      list(mirror, instance);
      return 0;
    }
    RestoreResponse response =
        mirror.restore(
            RestoreRequest.newBuilder()
                .setInstanceName(instance)
                .addAllSpecs(specs)
                .setAll(all)
                .build());
    System.out.printf("restored %d specs%n", response.getRestoredCount());
    if (response.getThereAlreadyCount() > 0) {
      System.out.printf(
          "%d had been built again; what was built stays%n", response.getThereAlreadyCount());
    }
    return 0;
  }

  private static void list(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
    Iterator<PrunedSpec> pruned =
        mirror.listPruned(ListPrunedRequest.newBuilder().setInstanceName(instance).build());
    int count = 0;
    for (; pruned.hasNext(); count++) {
      PrunedSpec spec = pruned.next();
      System.out.println(
          Text.clean(
              " -  %s %s@%s  %s, until %s"
                  .formatted(
                      Text.shortHash(spec.getHash()),
                      spec.getName(),
                      spec.getVersion(),
                      Amounts.size(spec.getBytes()),
                      Instant.ofEpochMilli(spec.getRestorableUntilMillis())
                          .truncatedTo(ChronoUnit.SECONDS))));
    }
    System.out.printf("%d specs can be put back%n", count);
  }
}
