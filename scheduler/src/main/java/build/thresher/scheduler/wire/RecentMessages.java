package build.thresher.scheduler.wire;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Reads small messages, and has those that were read a moment ago: most actions are leased soon
 * after they were looked through. What was lost since is not missed; whoever needs it finds out.
 * Any thread; blocks.
 */
public final class RecentMessages {
  private static final long ALL_BYTES = 8 << 20;
  private static final int OVERHEAD_BYTES = 200;

  private final BlobStore blobs;
  private final int mostBytes;
  private final Cache<Key, byte[]> recent =
      CacheBuilder.newBuilder()
          .maximumWeight(ALL_BYTES)
          .weigher((Key key, byte[] message) -> message.length + OVERHEAD_BYTES)
          .build();

  private record Key(Scope scope, Digest digest) {}

  /**
   * @param mostBytes larger messages are read each time
   */
  public RecentMessages(BlobStore blobs, int mostBytes) {
    this.blobs = blobs;
    this.mostBytes = mostBytes;
  }

  /** The caller limits the size, and does not change the bytes. */
  public byte[] read(Scope scope, Digest digest) throws IOException {
    Key key = new Key(scope, digest);
    byte @Nullable [] known = recent.getIfPresent(key);
    if (known != null) {
      return known;
    }
    byte[] message = blobs.readAll(scope, digest);
    if (message.length <= mostBytes) {
      recent.put(key, message);
    }
    return message;
  }
}
