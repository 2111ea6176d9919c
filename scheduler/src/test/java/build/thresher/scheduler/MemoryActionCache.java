package build.thresher.scheduler;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.OutputFile;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.Wire;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Results in memory; complete as far as output files go. Outlives the scheduler in a restart. */
public final class MemoryActionCache implements ActionCache {
  private final Map<String, byte[]> results = new ConcurrentHashMap<>();
  private final MemoryBlobs blobs;
  public final AtomicInteger puts = new AtomicInteger();

  public MemoryActionCache(MemoryBlobs blobs) {
    this.blobs = blobs;
  }

  @Override
  public Optional<byte[]> find(Scope scope, Digest action) {
    return Optional.ofNullable(results.get(scope.instance() + "/" + action));
  }

  @Override
  public void put(Scope scope, Digest action, byte[] actionResult) throws BlobNotFoundException {
    puts.incrementAndGet();
    try {
      for (OutputFile file : ActionResult.parseFrom(actionResult).getOutputFilesList()) {
        Digest digest = Wire.digest(file.getDigest());
        if (!blobs.findMissing(scope, List.of(digest)).isEmpty()) {
          throw new BlobNotFoundException(digest);
        }
      }
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException(e);
    }
    results.put(scope.instance() + "/" + action, actionResult);
  }
}
