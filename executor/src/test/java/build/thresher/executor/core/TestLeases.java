package build.thresher.executor.core;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Platform;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.SourceFile;
import build.thresher.executor.spack.SpackTask;
import build.thresher.v1.ActionRun;
import build.thresher.v1.Fence;
import build.thresher.v1.Lease;
import build.thresher.v1.Prefix;
import build.thresher.v1.Source;
import build.thresher.v1.SpackBuild;
import build.thresher.v1.SpackInputs;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;

/** Leases as a scheduler would hand them out, for executions that a test numbers. */
final class TestLeases {
  static final String INSTANCE = "default";

  private TestLeases() {}

  private static Lease.Builder lease(int execution) {
    return Lease.newBuilder()
        .setFence(
            Fence.newBuilder()
                .setExecution(INSTANCE + "/operations/" + execution)
                .setEpoch(1)
                .setAttempt(1))
        .setInstanceName(INSTANCE);
  }

  /**
   * Runs a command.
   *
   * @param properties of the platform, each as name=value
   */
  static Lease of(
      BlobStore store,
      Command.Builder command,
      Digest inputs,
      List<String> properties,
      int execution)
      throws IOException {
    Scope scope = Scope.farm(INSTANCE);
    Action action =
        Action.newBuilder()
            .setCommandDigest(WireDigests.toWire(store.put(scope, command.build().toByteArray())))
            .setInputRootDigest(WireDigests.toWire(inputs))
            .build();
    Platform.Builder platform = Platform.newBuilder();
    properties.forEach(
        p ->
            platform
                .addPropertiesBuilder()
                .setName(p.substring(0, p.indexOf('=')))
                .setValue(p.substring(p.indexOf('=') + 1)));
    return lease(execution)
        .setActionRun(
            ActionRun.newBuilder()
                .setAction(WireDigests.toWire(store.put(scope, action.toByteArray())))
                .setPlatform(platform))
        .build();
  }

  /** Builds a node. */
  static Lease of(SpackTask task, int execution) {
    SpackBuild.Builder build =
        SpackBuild.newBuilder()
            .setHash(task.hash())
            .setName(task.name())
            .setVersion(task.version())
            .setSpecVersion(task.specVersion())
            .setInputs(
                SpackInputs.newBuilder()
                    .setCore(WireDigests.toWire(task.core()))
                    .setRecipes(WireDigests.toWire(task.recipes()))
                    .setConfiguration(WireDigests.toWire(task.configuration())))
            .addAllRegister(task.register())
            .setPrefix(task.prefix())
            .setInstallTreeRoot(task.installTreeRoot())
            .setPaddedLength(task.paddedLength())
            .setMemoryLimitBytes(task.memoryLimitBytes());
    task.timeout()
        .ifPresent(t -> build.setTimeout(Duration.newBuilder().setSeconds(t.toSeconds())));
    for (SourceFile source : task.sources()) {
      build.addSources(
          Source.newBuilder()
              .setSha256(source.sha256())
              .setMirrorPath(source.mirrorPath())
              .setDigest(WireDigests.toWire(source.digest().orElseThrow())));
    }
    for (BuiltPrefix prefix : task.prefixes()) {
      build.addPrefixes(
          Prefix.newBuilder()
              .setHash(prefix.hash())
              .setPath(prefix.path())
              .setArchive(WireDigests.toWire(prefix.archive())));
    }
    ByteBuffer texts = ByteBuffer.allocate(36 * task.nodes().size());
    task.nodes().forEach(n -> texts.put(n.hashBytes()).putInt((int) n.sizeBytes()));
    build.setNodeTexts(ByteString.copyFrom(texts.flip()));
    return lease(execution).setSpackBuild(build).build();
  }
}
