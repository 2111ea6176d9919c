package build.thresher.cas.push;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.Pin;
import build.thresher.cas.mirror.Pins;
import build.thresher.cas.mirror.Pruned;
import build.thresher.cas.mirror.Retention;
import build.thresher.cas.mirror.Retention.Decision;
import build.thresher.cas.mirror.Retention.Outcome;
import build.thresher.cas.mirror.Retention.Restored;
import build.thresher.cas.mirror.Retention.Rules;
import build.thresher.v1.ListPinsResponse;
import build.thresher.v1.PinStatus;
import build.thresher.v1.PruneDecision;
import build.thresher.v1.PruneRequest;
import build.thresher.v1.PruneTotals;
import build.thresher.v1.PruneUpdate;
import build.thresher.v1.PrunedSpec;
import build.thresher.v1.RestoreRequest;
import build.thresher.v1.RestoreResponse;
import build.thresher.v1.SetPinRequest;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;

/** What stays in a mirror, in the words of the contract. */
final class RetentionCalls {
  private static final int DECISIONS_A_MESSAGE = 1000;
  private static final Duration GRACE = Duration.ofDays(7);
  private static final Comparator<PublishedSpec> ORDER =
      Comparator.comparing(PublishedSpec::name)
          .thenComparing(PublishedSpec::version)
          .thenComparing(PublishedSpec::hash);

  private final Retention retention;
  private final Pins pins;
  private final InstantSource clock;

  RetentionCalls(Retention retention, Pins pins, InstantSource clock) {
    this.retention = retention;
    this.pins = pins;
    this.clock = clock;
  }

  void prune(PruneRequest request, Consumer<PruneUpdate> out) throws IOException {
    Rules rules =
        new Rules(
            Duration.ofSeconds(request.getKeepAccessedSeconds()),
            request.getKeepBuildDependencies(),
            request.hasGraceSeconds() ? Duration.ofSeconds(request.getGraceSeconds()) : GRACE);
    Outcome outcome = retention.prune(request.getInstanceName(), rules, request.getDryRun());
    List<Decision> decisions =
        outcome.decisions().stream().sorted(Comparator.comparing(Decision::spec, ORDER)).toList();
    PruneTotals.Builder totals = PruneTotals.newBuilder().setFreedBytes(outcome.freedBytes());
    for (List<Decision> some : Lists.partition(decisions, DECISIONS_A_MESSAGE)) {
      PruneUpdate.Builder update = PruneUpdate.newBuilder();
      for (Decision decision : some) {
        update.addDecisions(wire(decision));
        if (decision.pruned()) {
          totals.setPrunedSpecs(totals.getPrunedSpecs() + 1);
          totals.setPrunedBytes(totals.getPrunedBytes() + decision.bytes());
        } else {
          totals.setKeptSpecs(totals.getKeptSpecs() + 1);
          totals.setKeptBytes(totals.getKeptBytes() + decision.bytes());
        }
      }
      out.accept(update.build());
    }
    out.accept(PruneUpdate.newBuilder().setTotals(totals).build());
  }

  private static PruneDecision wire(Decision decision) {
    return PruneDecision.newBuilder()
        .setHash(decision.spec().hash().text())
        .setName(decision.spec().name())
        .setVersion(decision.spec().version())
        .setPruned(decision.pruned())
        .setBytes(decision.bytes())
        .setReason(decision.reason())
        .build();
  }

  void listPruned(String instance, Consumer<PrunedSpec> out) {
    retention.pruned(instance).stream()
        .sorted(Comparator.comparing(Pruned::spec, ORDER))
        .map(RetentionCalls::wire)
        .forEach(out);
  }

  private static PrunedSpec wire(Pruned pruned) {
    return PrunedSpec.newBuilder()
        .setHash(pruned.spec().hash().text())
        .setName(pruned.spec().name())
        .setVersion(pruned.spec().version())
        .setBytes(pruned.bytes())
        .setReason(pruned.reason())
        .setPrunedMillis(pruned.at().toEpochMilli())
        .setRestorableUntilMillis(pruned.until().toEpochMilli())
        .build();
  }

  RestoreResponse restore(RestoreRequest request) throws IOException {
    Restored restored =
        retention.restore(request.getInstanceName(), request.getSpecsList(), request.getAll());
    return RestoreResponse.newBuilder()
        .addAllRestored(restored.restored().stream().map(DagHash::text).toList())
        .addAllThereAlready(restored.thereAlready().stream().map(DagHash::text).toList())
        .build();
  }

  PinStatus setPin(SetPinRequest request) throws IOException {
    Pin pin =
        new Pin(
            request.getName(),
            hashes(request.getHashesList()),
            hashes(request.getBuildHashesList()),
            ImmutableList.copyOf(request.getSpecsList()),
            request.getDescription(),
            clock.instant());
    return wire(request.getInstanceName(), pins.set(request.getInstanceName(), pin));
  }

  void removePin(String instance, String name) throws IOException {
    pins.remove(instance, name);
  }

  ListPinsResponse listPins(String instance) {
    ListPinsResponse.Builder all = ListPinsResponse.newBuilder();
    pins.of(instance).forEach(pin -> all.addPins(wire(instance, pin)));
    return all.build();
  }

  private PinStatus wire(String instance, Pin pin) {
    return PinStatus.newBuilder()
        .setName(pin.name())
        .setDescription(pin.description())
        .addAllSpecs(pin.specs())
        .setHashes(pin.hashes().size() + (long) pin.buildHashes().size())
        .setPublished(pins.published(instance, pin))
        .setPinnedMillis(pin.since().toEpochMilli())
        .build();
  }

  private static ImmutableList<DagHash> hashes(List<String> texts) {
    return texts.stream().map(DagHash::new).collect(ImmutableList.toImmutableList());
  }
}
