package build.thresher.cas.actions;

import build.bazel.remote.execution.v2.ActionResult;
import build.thresher.cas.api.ActionCache;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.store.ResultTable;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The action cache of a store: what it finds is complete. Every find asks the store for all that
 * the result names; asking is a use, and what is in use stays for the store's guaranteed lifetime.
 * So a result that is found is promised for that long, whole, and one that lost a blob is absent
 * until it is put again.
 *
 * <p>Threading: any thread; calls block.
 */
public final class CompleteActionCache implements ActionCache {
  private static final Logger log = LoggerFactory.getLogger(CompleteActionCache.class);

  private final BlobStore blobs;
  private final ResultTable results;

  /**
   * @param blobs holds what results name
   * @param results where results are kept; of the same store
   */
  public CompleteActionCache(BlobStore blobs, ResultTable results) {
    this.blobs = blobs;
    this.results = results;
  }

  @Override
  public Optional<byte[]> find(Scope scope, Digest action) throws IOException {
    Optional<byte[]> found = results.find(key(scope, action));
    if (found.isEmpty()) {
      return found;
    }
    try {
      NamedBlobs.requireAll(blobs, scope, ActionResult.parseFrom(found.get()));
      return found;
    } catch (BlobNotFoundException | CorruptBlobException e) {
      log.info("result incomplete action={} what={}", action, e.getMessage());
      return Optional.empty();
    } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
      log.error("result unreadable action={}", action, e);
      return Optional.empty();
    }
  }

  @Override
  public void put(Scope scope, Digest action, byte[] actionResult) throws IOException {
    ActionResult parsed;
    try {
      parsed = ActionResult.parseFrom(actionResult);
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("the bytes are no ActionResult", e);
    }
    NamedBlobs.requireAll(blobs, scope, parsed);
    results.put(key(scope, action), actionResult);
  }

  /** The instance with its length in front, so that no two pairs share a key. */
  private static byte[] key(Scope scope, Digest action) {
    byte[] instance = scope.instance().getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(Integer.BYTES + instance.length + Digest.HASH_BYTES + Long.BYTES)
        .putInt(instance.length)
        .put(instance)
        .put(action.hashBytes())
        .putLong(action.sizeBytes())
        .array();
  }
}
