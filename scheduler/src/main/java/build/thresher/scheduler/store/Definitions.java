package build.thresher.scheduler.store;

import build.thresher.scheduler.core.ActionRequirements;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Requirements;
import build.thresher.scheduler.core.SpackRequirements;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.Work;
import build.thresher.scheduler.wire.Wire;
import build.thresher.store.v1.ActionRecord;
import build.thresher.store.v1.DefinitionRecord;
import build.thresher.store.v1.SpackRecord;
import build.thresher.v1.External;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import java.io.IOException;

/** Definitions of tasks to and from what is stored. */
final class Definitions {
  private Definitions() {}

  static DefinitionRecord record(Definition d) {
    DefinitionRecord.Builder b =
        DefinitionRecord.newBuilder()
            .setInstanceName(d.key().instance())
            .setHash(d.key().hash())
            .setName(d.name())
            .setVersion(d.version())
            .addAllDependsOn(d.dependsOn());
    switch (d.work()) {
      case SpackWork work -> b.setSpack(spack(work, (SpackRequirements) d.requirements()));
      case ActionWork work -> b.setAction(action(work));
    }
    return b.build();
  }

  private static SpackRecord spack(SpackWork work, SpackRequirements needed) {
    SpackRecord.Builder b =
        SpackRecord.newBuilder()
            .setPlatform(needed.platform())
            .setOperatingSystem(needed.operatingSystem())
            .setTarget(needed.target().name())
            .addAllTargetFeatures(needed.target().features())
            .putAllLabels(needed.labels())
            .setInputs(Wire.inputs(work.inputs()))
            .setDag(Wire.digest(work.dag()))
            .setBuildJobs(work.buildJobs())
            .setTimeout(Wire.duration(work.timeout()));
    for (SpackRequirements.External e : needed.externals()) {
      b.addExternals(
          External.newBuilder().setName(e.name()).setVersion(e.version()).setPath(e.path()));
    }
    if (work.sources() != null) {
      b.setSources(Wire.digest(work.sources()));
    }
    return b.build();
  }

  private static ActionRecord action(ActionWork work) {
    return ActionRecord.newBuilder()
        .setAction(Wire.digest(work.action()))
        .setTimeout(Wire.duration(work.timeout()))
        .setPlatform(Wire.platform(work.platform()))
        .setDoNotCache(work.doNotCache())
        .setSkipCacheLookup(work.skipCacheLookup())
        .setQueued(Wire.timestamp(work.queued()))
        .build();
  }

  static Definition of(DefinitionRecord r) throws IOException {
    return switch (r.getWorkCase()) {
      case SPACK -> of(r, requirements(r.getSpack()), work(r.getSpack()));
      case ACTION -> {
        ActionWork work = work(r.getAction());
        yield of(r, ActionRequirements.of(work.platform()), work);
      }
      case WORK_NOT_SET ->
          throw new IOException(
              "the definition of " + r.getHash() + " was stored in an unknown format");
    };
  }

  private static Definition of(DefinitionRecord r, Requirements requirements, Work work) {
    return new Definition(
        new TaskKey(r.getInstanceName(), r.getHash()),
        r.getName(),
        r.getVersion(),
        ImmutableList.copyOf(r.getDependsOnList()),
        requirements,
        work);
  }

  private static SpackRequirements requirements(SpackRecord r) {
    return new SpackRequirements(
        r.getPlatform(),
        r.getOperatingSystem(),
        new SpackRequirements.Target(r.getTarget(), ImmutableSet.copyOf(r.getTargetFeaturesList())),
        r.getExternalsList().stream()
            .map(e -> new SpackRequirements.External(e.getName(), e.getVersion(), e.getPath()))
            .collect(
                ImmutableSortedSet.toImmutableSortedSet(SpackRequirements.External::compareTo)),
        ImmutableMap.copyOf(r.getLabelsMap()));
  }

  private static SpackWork work(SpackRecord r) {
    return new SpackWork(
        Wire.inputs(r.getInputs()),
        Wire.digest(r.getDag()),
        r.hasSources() ? Wire.digest(r.getSources()) : null,
        r.getBuildJobs(),
        Wire.duration(r.getTimeout()));
  }

  private static ActionWork work(ActionRecord r) {
    return new ActionWork(
        Wire.digest(r.getAction()),
        Wire.duration(r.getTimeout()),
        Wire.platform(r.getPlatform().getPropertiesList()),
        r.getDoNotCache(),
        r.getSkipCacheLookup(),
        Wire.instant(r.getQueued()));
  }
}
