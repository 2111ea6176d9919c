package build.thresher.executor.core;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.cas.client.WireTimes;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.GitVersion;
import build.thresher.executor.inputs.SourceFile;
import build.thresher.executor.outputs.PushedSpec;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.executor.spack.BuildOutcome.Failed;
import build.thresher.executor.spack.BuildOutcome.FailureKind;
import build.thresher.executor.spack.SpackTask;
import build.thresher.v1.Failure;
import build.thresher.v1.FailureClass;
import build.thresher.v1.GitSource;
import build.thresher.v1.Lease;
import build.thresher.v1.Prefix;
import build.thresher.v1.Source;
import build.thresher.v1.SpackBuild;
import build.thresher.v1.SpackBuildResult;
import build.thresher.v1.Usage;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Between the wire contract and the executor's own types. Stateless. */
final class Wire {
  private Wire() {}

  /**
   * @throws IllegalArgumentException when the lease is not one that can be built, with a sentence
   */
  static SpackTask task(Lease lease) {
    SpackBuild build = lease.getSpackBuild();
    return new SpackTask(
        lease.getInstanceName(),
        build.getHash(),
        build.getName(),
        build.getVersion(),
        build.getSpecVersion(),
        WireDigests.fromWire(build.getInputs().getCore()),
        WireDigests.fromWire(build.getInputs().getRecipes()),
        WireDigests.fromWire(build.getInputs().getConfiguration()),
        build.getSourcesList().stream().map(Wire::source).toList(),
        build.getPrefixesList().stream().map(Wire::prefix).toList(),
        List.copyOf(build.getRegisterList()),
        build.getPrefix(),
        build.getInstallTreeRoot(),
        build.getPaddedLength(),
        build.getBuildJobs(),
        build.hasTimeout() ? Optional.of(WireTimes.fromWire(build.getTimeout())) : Optional.empty(),
        build.getMemoryLimitBytes(),
        nodeTexts(build.getNodeTexts()));
  }

  private static List<Digest> nodeTexts(ByteString packed) {
    int each = Digest.HASH_BYTES + Integer.BYTES;
    if (packed.size() % each != 0) {
      throw new IllegalArgumentException(
          "the lease names its nodes' texts in "
              + packed.size()
              + " bytes, not in "
              + each
              + " each");
    }
    ByteBuffer bytes = packed.asReadOnlyByteBuffer();
    List<Digest> texts = new ArrayList<>(packed.size() / each);
    byte[] hash = new byte[Digest.HASH_BYTES];
    while (bytes.hasRemaining()) {
      bytes.get(hash);
      texts.add(Digest.fromHash(hash, Integer.toUnsignedLong(bytes.getInt())));
    }
    return texts;
  }

  private static SourceFile source(Source source) {
    return new SourceFile(
        source.getSha256(),
        source.hasGit() ? List.of(source.getGit().getUrl()) : List.copyOf(source.getUrlsList()),
        source.getMirrorPath(),
        source.getName(),
        source.hasDigest()
            ? Optional.of(WireDigests.fromWire(source.getDigest()))
            : Optional.empty(),
        source.hasGit() ? Optional.of(git(source.getGit())) : Optional.empty(),
        source.getUnsupported());
  }

  private static GitVersion git(GitSource git) {
    return new GitVersion(
        git.getCommit(),
        git.getRef(),
        git.getAllSubmodules() ? List.of(GitVersion.ALL) : List.copyOf(git.getSubmodulesList()),
        List.copyOf(git.getRemovedSubmodulesList()),
        List.copyOf(git.getSparsePathsList()),
        git.getFullHistory());
  }

  private static BuiltPrefix prefix(Prefix prefix) {
    return new BuiltPrefix(
        prefix.getHash(), prefix.getPath(), WireDigests.fromWire(prefix.getArchive()));
  }

  static SpackBuildResult result(PushedSpec pushed) {
    return SpackBuildResult.newBuilder()
        .setArchive(WireDigests.toWire(pushed.archive()))
        .setArchiveMediaType(pushed.archiveMediaType())
        .setSpec(WireDigests.toWire(pushed.spec()))
        .setSpecMediaType(pushed.specMediaType())
        .build();
  }

  static Usage usage(SandboxResult.Usage usage) {
    return Usage.newBuilder()
        .setWall(WireTimes.toWire(usage.wall()))
        .setUserCpu(WireTimes.toWire(usage.userCpu()))
        .setSystemCpu(WireTimes.toWire(usage.systemCpu()))
        .setPeakMemoryBytes(usage.peakMemoryBytes())
        .build();
  }

  static Failure failure(Failed failed) {
    Failure.Builder failure =
        Failure.newBuilder()
            .setFailureClass(failureClass(failed.kind()))
            .setMessage(failed.message());
    failed.missing().stream()
        .sorted(Digest::compareTo)
        .forEach(digest -> failure.addMissingBlobs(WireDigests.toWire(digest)));
    return failure.build();
  }

  private static FailureClass failureClass(FailureKind kind) {
    return switch (kind) {
      case RECIPE -> FailureClass.FAILURE_RECIPE;
      case INPUT -> FailureClass.FAILURE_INPUT;
      case INFRASTRUCTURE -> FailureClass.FAILURE_INFRASTRUCTURE;
      case OUT_OF_MEMORY -> FailureClass.FAILURE_OUT_OF_MEMORY;
      case TIMEOUT -> FailureClass.FAILURE_TIMEOUT;
      case SOURCE -> FailureClass.FAILURE_SOURCE;
    };
  }
}
