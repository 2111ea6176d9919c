package build.thresher.client;

import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PruneDecision;
import build.thresher.v1.PruneRequest;
import build.thresher.v1.PruneTotals;
import build.thresher.v1.PruneUpdate;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Takes out of a mirror what nothing needs. */
@Command(
    name = "prune",
    description = {
      "Take out of an instance's mirror what no pin, no view, no running work and no recent use"
          + " keeps; what stays keeps what it needs to run.",
      "What is taken out leaves the index at once. `thresher mirror restore` puts it back until its"
          + " grace is over; then its bytes are freed."
    },
    footer = {
      "",
      "Examples:",
      "  thresher mirror prune --dry-run                   what would go, and why",
      "  thresher mirror prune --keep-accessed 90d",
      "  thresher mirror prune --keep-accessed 0           only pins, views and running work keep"
    })
final class MirrorPruneCommand extends InstanceCommand {
  @Option(names = "--dry-run", description = "Only say what would go.")
  private boolean dryRun;

  @Option(
      names = "--keep-accessed",
      paramLabel = "TIME",
      description = "What was read or built on within this time stays. Default: ${DEFAULT-VALUE}.",
      defaultValue = "30d")
  private String keepAccessed = "";

  @Option(
      names = "--keep-build-dependencies",
      description = "What stays keeps what it was built with, too.")
  private boolean builtWith;

  @Option(
      names = "--grace",
      paramLabel = "TIME",
      description =
          "For how long it can be restored, at least 15 minutes. Default: ${DEFAULT-VALUE}.",
      defaultValue = "7d")
  private String grace = "";

  @Option(names = "--verbose", description = "Print what stays, too, and why.")
  private boolean verbose;

  @Option(
      names = "--json",
      description = "One JSON object a line: hash, spec, pruned, bytes, reason; the totals last.")
  private boolean json;

  @Override
  int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) throws ClientException {
    Iterator<PruneUpdate> updates =
        mirror.prune(
            PruneRequest.newBuilder()
                .setInstanceName(instance)
                .setDryRun(dryRun)
                .setKeepAccessedSeconds(Amounts.time("--keep-accessed", keepAccessed).toSeconds())
                .setKeepBuildDependencies(builtWith)
                .setGraceSeconds(Amounts.time("--grace", grace).toSeconds())
                .build());
    while (updates.hasNext()) {
      PruneUpdate update = updates.next();
      update.getDecisionsList().forEach(this::print);
      if (update.hasTotals()) {
        print(update.getTotals());
      }
    }
    return 0;
  }

  private void print(PruneDecision decision) {
    if (json) {
      Map<String, Object> object = new LinkedHashMap<>();
      object.put("hash", decision.getHash());
      object.put("spec", decision.getName() + "@" + decision.getVersion());
      object.put("pruned", decision.getPruned());
      object.put("bytes", decision.getBytes());
      object.put("reason", decision.getReason());
      System.out.println(JsonProgress.write(object));
    } else if (decision.getPruned() || verbose) {
      System.out.println(
          Text.clean(
              "%s %s %s@%s  %s: %s"
                  .formatted(
                      decision.getPruned() ? " - " : "[+]",
                      Text.shortHash(decision.getHash()),
                      decision.getName(),
                      decision.getVersion(),
                      Amounts.size(decision.getBytes()),
                      decision.getReason())));
    }
  }

  private void print(PruneTotals totals) {
    if (json) {
      Map<String, Object> object = new LinkedHashMap<>();
      object.put("dry_run", dryRun);
      object.put("kept_specs", totals.getKeptSpecs());
      object.put("kept_bytes", totals.getKeptBytes());
      object.put("pruned_specs", totals.getPrunedSpecs());
      object.put("pruned_bytes", totals.getPrunedBytes());
      object.put("freed_bytes", totals.getFreedBytes());
      System.out.println(JsonProgress.write(object));
      return;
    }
    System.out.printf(
        "%s %d specs (%s, of which %s are nowhere else); %d specs (%s) stay%n",
        dryRun ? "would prune" : "pruned",
        totals.getPrunedSpecs(),
        Amounts.size(totals.getPrunedBytes()),
        Amounts.size(totals.getFreedBytes()),
        totals.getKeptSpecs(),
        Amounts.size(totals.getKeptBytes()));
  }
}
