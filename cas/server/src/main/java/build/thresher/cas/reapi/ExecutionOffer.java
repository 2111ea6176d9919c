package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.ExecutionCapabilities;
import build.bazel.remote.execution.v2.PriorityCapabilities;
import com.google.common.collect.ImmutableList;

/**
 * What a server says of the actions that it runs.
 *
 * @param enabled false for a server that is a cache only
 * @param nodeProperties that outputs may be asked to carry
 */
public record ExecutionOffer(boolean enabled, ImmutableList<String> nodeProperties) {
  public static final ExecutionOffer NONE = new ExecutionOffer(false, ImmutableList.of());

  /** Actions run on the farm's executors, which can tell these. */
  public static final ExecutionOffer OF_THE_SCHEDULER =
      new ExecutionOffer(true, ImmutableList.of("mtime", "unix_mode"));

  ExecutionCapabilities toWire() {
    if (!enabled) {
      return ExecutionCapabilities.getDefaultInstance();
    }
    return ExecutionCapabilities.newBuilder()
        .setExecEnabled(true)
        .setDigestFunction(DigestFunction.Value.SHA256)
        .addDigestFunctions(DigestFunction.Value.SHA256)
        .setExecutionPriorityCapabilities(
            PriorityCapabilities.newBuilder()
                .addPriorities(
                    PriorityCapabilities.PriorityRange.newBuilder()
                        .setMinPriority(Integer.MIN_VALUE)
                        .setMaxPriority(Integer.MAX_VALUE)))
        .addAllSupportedNodeProperties(nodeProperties)
        .build();
  }
}
