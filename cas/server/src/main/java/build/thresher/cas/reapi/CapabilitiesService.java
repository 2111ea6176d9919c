package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.ActionCacheUpdateCapabilities;
import build.bazel.remote.execution.v2.CacheCapabilities;
import build.bazel.remote.execution.v2.CapabilitiesGrpc;
import build.bazel.remote.execution.v2.Compressor;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.GetCapabilitiesRequest;
import build.bazel.remote.execution.v2.ServerCapabilities;
import build.bazel.remote.execution.v2.SymlinkAbsolutePathStrategy;
import build.bazel.semver.SemVer;
import io.grpc.stub.StreamObserver;

/**
 * Tells clients what the store can do: SHA256, zstd, batches, and whether the caller may write
 * results.
 */
public final class CapabilitiesService extends CapabilitiesGrpc.CapabilitiesImplBase {
  private final Wire wire;
  private final ResultUpdates updates;
  private final ExecutionOffer execution;

  /**
   * @param execution whether the server runs actions too
   */
  public CapabilitiesService(
      InstanceNames instances, ResultUpdates updates, ExecutionOffer execution) {
    this.wire = new Wire(instances);
    this.updates = updates;
    this.execution = execution;
  }

  @Override
  public void getCapabilities(
      GetCapabilitiesRequest request, StreamObserver<ServerCapabilities> observer) {
    try {
      wire.scope(request.getInstanceName());
    } catch (IllegalArgumentException e) {
      observer.onError(Statuses.of(e).asRuntimeException());
      return;
    }
    observer.onNext(
        ServerCapabilities.newBuilder()
            .setLowApiVersion(SemVer.newBuilder().setMajor(2))
            .setHighApiVersion(SemVer.newBuilder().setMajor(2).setMinor(12))
            .setCacheCapabilities(
                CacheCapabilities.newBuilder()
                    .addDigestFunctions(DigestFunction.Value.SHA256)
                    .setActionCacheUpdateCapabilities(
                        ActionCacheUpdateCapabilities.newBuilder()
                            .setUpdateEnabled(updates.allowed().getAsBoolean()))
                    .addSupportedCompressors(Compressor.Value.ZSTD)
                    .addSupportedBatchUpdateCompressors(Compressor.Value.ZSTD)
                    .setMaxBatchTotalSizeBytes(ContentAddressableStorageService.MAX_BATCH_BYTES)
                    .setSymlinkAbsolutePathStrategy(SymlinkAbsolutePathStrategy.Value.ALLOWED))
            .setExecutionCapabilities(execution.toWire())
            .build());
    observer.onCompleted();
  }
}
