package build.thresher.cas.client;

import build.thresher.cas.api.BulkInputStream;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.protobuf.ByteString;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import org.jspecify.annotations.Nullable;

/**
 * The blocking source that hides a ByteStream read: the next message is asked for when the last one
 * was consumed, so a slow reader holds two messages, never the blob. A read of the whole blob is
 * checked against its digest before its end is reported. Used by one thread at a time.
 */
final class ByteStreamSource extends BulkInputStream {
  private final Digest digest;
  private final BlockingClientCall<?, ReadResponse> call;
  private final @Nullable MessageDigest sha256;
  private long remaining;
  private ByteBuffer chunk = ByteBuffer.allocate(0);

  /** Opens the stream and waits for its first bytes, so that an absent blob is reported here. */
  ByteStreamSource(Channel channel, String resource, Digest digest, long offset, long length)
      throws IOException {
    this.digest = digest;
    this.remaining = length;
    this.sha256 = offset == 0 && length == digest.sizeBytes() ? Digest.sha256() : null;
    this.call =
        ByteStreamGrpc.newBlockingV2Stub(channel)
            .read(
                ReadRequest.newBuilder()
                    .setResourceName(resource)
                    .setReadOffset(offset)
                    .setReadLimit(length)
                    .build());
    boolean opened = false;
    try {
      nextChunk();
      opened = true;
    } finally {
      if (!opened) {
        close();
      }
    }
  }

  @Override
  public int read(byte[] target, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    while (!chunk.hasRemaining()) {
      if (remaining == 0) {
        return -1;
      }
      nextChunk();
    }
    int n = Math.min(length, chunk.remaining());
    chunk.get(target, offset, n);
    return n;
  }

  private void nextChunk() throws IOException {
    ByteString received = receive();
    if (received.size() > remaining) {
      throw new CorruptBlobException(digest, "the store sent more bytes than were asked for");
    }
    remaining -= received.size();
    if (sha256 != null) {
      received.asReadOnlyByteBufferList().forEach(sha256::update);
      if (remaining == 0 && !Digest.fromHash(sha256.digest(), digest.sizeBytes()).equals(digest)) {
        throw new CorruptBlobException(digest, "the bytes received have another SHA-256");
      }
    }
    chunk = received.asReadOnlyByteBuffer();
  }

  private ByteString receive() throws IOException {
    try {
      ReadResponse response = call.read();
      if (response != null) {
        return response.getData();
      }
    } catch (StatusException e) {
      throw StoreErrors.of(digest, e.getStatus());
    } catch (InterruptedException e) {
      throw StoreErrors.interrupted(e);
    }
    throw StoreErrors.of(
        digest,
        Status.UNAVAILABLE.withDescription("the stream ended " + remaining + " bytes too early"));
  }

  @Override
  public void close() {
    call.cancel("the reader is done", null);
  }
}
