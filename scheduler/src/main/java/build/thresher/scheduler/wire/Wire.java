package build.thresher.scheduler.wire;

import build.bazel.remote.execution.v2.Platform;
import build.thresher.cas.api.Digest;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Inputs;
import build.thresher.scheduler.core.PlatformProperty;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.core.Usage;
import build.thresher.v1.SpackBuildResult;
import build.thresher.v1.SpackInputs;
import com.google.common.collect.ImmutableList;
import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import java.time.Instant;
import java.util.List;

/**
 * Small values, both ways. What comes from the wire is checked here; a refusal is an {@link
 * IllegalArgumentException} in words that may be sent back.
 */
public final class Wire {
  private Wire() {}

  public static Digest digest(build.bazel.remote.execution.v2.Digest d) {
    return Digest.parse(d.getHash(), d.getSizeBytes());
  }

  public static build.bazel.remote.execution.v2.Digest digest(Digest d) {
    return build.bazel.remote.execution.v2.Digest.newBuilder()
        .setHash(d.hex())
        .setSizeBytes(d.sizeBytes())
        .build();
  }

  public static Fence fence(build.thresher.v1.Fence f) {
    return new Fence(f.getExecution(), f.getEpoch(), f.getAttempt());
  }

  public static build.thresher.v1.Fence fence(Fence f) {
    return build.thresher.v1.Fence.newBuilder()
        .setExecution(f.execution())
        .setEpoch(f.epoch())
        .setAttempt(f.attempt())
        .build();
  }

  public static Inputs inputs(SpackInputs i) {
    return new Inputs(digest(i.getCore()), digest(i.getRecipes()), digest(i.getConfiguration()));
  }

  public static SpackInputs inputs(Inputs i) {
    return SpackInputs.newBuilder()
        .setCore(digest(i.core()))
        .setRecipes(digest(i.recipes()))
        .setConfiguration(digest(i.configuration()))
        .build();
  }

  public static SpackOutputs outputs(SpackBuildResult r) {
    return new SpackOutputs(
        digest(r.getArchive()), r.getArchiveMediaType(), digest(r.getSpec()), r.getSpecMediaType());
  }

  public static SpackBuildResult outputs(SpackOutputs o) {
    return SpackBuildResult.newBuilder()
        .setArchive(digest(o.archive()))
        .setArchiveMediaType(o.archiveMediaType())
        .setSpec(digest(o.spec()))
        .setSpecMediaType(o.specMediaType())
        .build();
  }

  public static Failure failure(build.thresher.v1.Failure f) {
    FailureClass failureClass =
        switch (f.getFailureClass()) {
          case FAILURE_RECIPE -> FailureClass.RECIPE;
          case FAILURE_INPUT -> FailureClass.INPUT;
          case FAILURE_INFRASTRUCTURE -> FailureClass.INFRASTRUCTURE;
          case FAILURE_OUT_OF_MEMORY -> FailureClass.OUT_OF_MEMORY;
          case FAILURE_TIMEOUT -> FailureClass.TIMEOUT;
          case FAILURE_SOURCE -> FailureClass.SOURCE;
          case FAILURE_UNSCHEDULABLE -> FailureClass.UNSCHEDULABLE;
          case FAILURE_CLASS_UNSPECIFIED, UNRECOGNIZED ->
              throw new IllegalArgumentException("a failure names its failure_class");
        };
    return new Failure(
        failureClass,
        f.getMessage(),
        f.getRemembered(),
        f.getMissingBlobsList().stream()
            .map(Wire::digest)
            .collect(ImmutableList.toImmutableList()));
  }

  public static build.thresher.v1.Failure failure(Failure f) {
    return build.thresher.v1.Failure.newBuilder()
        .setFailureClass(failureClass(f.failureClass()))
        .setMessage(f.message())
        .setRemembered(f.remembered())
        .addAllMissingBlobs(f.missingBlobs().stream().map(Wire::digest).toList())
        .build();
  }

  private static build.thresher.v1.FailureClass failureClass(FailureClass c) {
    return switch (c) {
      case RECIPE -> build.thresher.v1.FailureClass.FAILURE_RECIPE;
      case INPUT -> build.thresher.v1.FailureClass.FAILURE_INPUT;
      case INFRASTRUCTURE -> build.thresher.v1.FailureClass.FAILURE_INFRASTRUCTURE;
      case OUT_OF_MEMORY -> build.thresher.v1.FailureClass.FAILURE_OUT_OF_MEMORY;
      case TIMEOUT -> build.thresher.v1.FailureClass.FAILURE_TIMEOUT;
      case SOURCE -> build.thresher.v1.FailureClass.FAILURE_SOURCE;
      case UNSCHEDULABLE -> build.thresher.v1.FailureClass.FAILURE_UNSCHEDULABLE;
    };
  }

  public static ImmutableList<PlatformProperty> platform(List<Platform.Property> properties) {
    return properties.stream()
        .map(p -> new PlatformProperty(p.getName(), p.getValue()))
        .collect(ImmutableList.toImmutableList());
  }

  public static Platform platform(ImmutableList<PlatformProperty> properties) {
    Platform.Builder platform = Platform.newBuilder();
    properties.forEach(p -> platform.addPropertiesBuilder().setName(p.name()).setValue(p.value()));
    return platform.build();
  }

  public static Usage usage(build.thresher.v1.Usage u) {
    return new Usage(
        duration(u.getWall()),
        duration(u.getUserCpu()),
        duration(u.getSystemCpu()),
        Math.max(0, u.getPeakMemoryBytes()));
  }

  public static build.thresher.v1.Usage usage(Usage u) {
    return build.thresher.v1.Usage.newBuilder()
        .setWall(duration(u.wall()))
        .setUserCpu(duration(u.userCpu()))
        .setSystemCpu(duration(u.systemCpu()))
        .setPeakMemoryBytes(u.peakMemoryBytes())
        .build();
  }

  public static java.time.Duration duration(Duration d) {
    return java.time.Duration.ofSeconds(d.getSeconds(), d.getNanos());
  }

  public static Duration duration(java.time.Duration d) {
    return Duration.newBuilder().setSeconds(d.getSeconds()).setNanos(d.getNano()).build();
  }

  public static Instant instant(Timestamp t) {
    return Instant.ofEpochSecond(t.getSeconds(), t.getNanos());
  }

  public static Timestamp timestamp(Instant t) {
    return Timestamp.newBuilder().setSeconds(t.getEpochSecond()).setNanos(t.getNano()).build();
  }
}
