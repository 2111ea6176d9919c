package build.thresher.executor.core;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.client.WireTimes;
import build.thresher.executor.action.ActionTask;
import build.thresher.executor.action.PlatformProperties;
import build.thresher.v1.ActionRun;
import build.thresher.v1.Lease;
import build.thresher.v1.SpackBuild;
import com.google.common.collect.ImmutableMap;
import com.google.protobuf.ByteString;
import java.util.Optional;
import java.util.stream.Stream;

/** What a lease asks for. Each kind knows how it is called in the log. */
sealed interface Work {
  /** Key of the task: DAG hash or action digest. */
  String key();

  /** For people. */
  String title();

  /** A Spack node. */
  record SpackNode(SpackBuild build) implements Work {
    @Override
    public String key() {
      return build.getHash();
    }

    @Override
    public String title() {
      return build.getName() + "@" + build.getVersion();
    }
  }

  /** A REAPI action. */
  record ReapiAction(String instance, ActionRun run) implements Work {
    @Override
    public String key() {
      return run.getAction().getHash();
    }

    @Override
    public String title() {
      return "action";
    }

    /**
     * @throws IllegalArgumentException when the lease is not one that can be run, with a sentence
     */
    ActionTask task() {
      return new ActionTask(
          instance,
          WireDigests.fromWire(run.getAction()),
          run.hasTimeout() ? Optional.of(WireTimes.fromWire(run.getTimeout())) : Optional.empty(),
          PlatformProperties.of(run.getPlatform()),
          run.hasQueued() ? Optional.of(run.getQueued()) : Optional.empty(),
          run.getMemoryLimitBytes(),
          messages());
    }

    private ImmutableMap<Digest, ByteString> messages() {
      ImmutableMap.Builder<Digest, ByteString> messages = ImmutableMap.builder();
      Stream.of(run.getActionBytes(), run.getCommandBytes())
          .filter(bytes -> !bytes.isEmpty())
          .distinct()
          .forEach(bytes -> messages.put(Digest.of(bytes.toByteArray()), bytes));
      return messages.build();
    }
  }

  /** Something that this executor is too old for. */
  record Unknown() implements Work {
    @Override
    public String key() {
      return "unknown";
    }

    @Override
    public String title() {
      return "work of an unknown kind";
    }
  }

  static Work of(Lease lease) {
    return switch (lease.getWorkCase()) {
      case SPACK_BUILD -> new SpackNode(lease.getSpackBuild());
      case ACTION_RUN -> new ReapiAction(lease.getInstanceName(), lease.getActionRun());
      case WORK_NOT_SET -> new Unknown();
    };
  }
}
