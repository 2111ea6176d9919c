package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.ActionCacheUpdateCapabilities;
import build.bazel.remote.execution.v2.CacheCapabilities;
import build.bazel.remote.execution.v2.CapabilitiesGrpc;
import build.bazel.remote.execution.v2.DigestFunction;
import build.bazel.remote.execution.v2.GetCapabilitiesRequest;
import build.bazel.remote.execution.v2.ServerCapabilities;
import build.bazel.remote.execution.v2.SymlinkAbsolutePathStrategy;
import build.bazel.semver.SemVer;
import io.grpc.stub.StreamObserver;
import java.util.function.Predicate;

/** Tells clients what the store can do: SHA256, batches, no compression, no client results. */
public final class CapabilitiesService extends CapabilitiesGrpc.CapabilitiesImplBase {
  private final Wire wire;

  public CapabilitiesService(Predicate<String> knownInstances) {
    this.wire = new Wire(knownInstances);
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
            .setHighApiVersion(SemVer.newBuilder().setMajor(2).setMinor(3))
            .setCacheCapabilities(
                CacheCapabilities.newBuilder()
                    .addDigestFunctions(DigestFunction.Value.SHA256)
                    .setActionCacheUpdateCapabilities(
                        ActionCacheUpdateCapabilities.newBuilder().setUpdateEnabled(false))
                    .setMaxBatchTotalSizeBytes(ContentAddressableStorageService.MAX_BATCH_BYTES)
                    .setSymlinkAbsolutePathStrategy(SymlinkAbsolutePathStrategy.Value.ALLOWED))
            .build());
    observer.onCompleted();
  }
}
