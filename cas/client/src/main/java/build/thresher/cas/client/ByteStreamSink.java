package build.thresher.cas.client;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * The blocking, bounded sink that hides a ByteStream write: a send waits until the transport has
 * room. When the server says early that it has the blob, what follows is dropped. Used by one
 * thread at a time.
 */
final class ByteStreamSink implements AutoCloseable {
  private final Digest digest;
  private final String resource;
  private final BlockingClientCall<WriteRequest, WriteResponse> call;
  private long offset;
  private boolean stopped;
  private boolean done;

  ByteStreamSink(Channel channel, String resource, Digest digest) {
    this.digest = digest;
    this.resource = resource;
    this.call = ByteStreamGrpc.newBlockingV2Stub(channel).write();
  }

  /** Sends a chunk. The array belongs to the transport from here on. */
  void send(byte[] chunk, boolean last) throws IOException {
    if (stopped) {
      return;
    }
    WriteRequest.Builder request =
        WriteRequest.newBuilder()
            .setWriteOffset(offset)
            .setData(UnsafeByteOperations.unsafeWrap(chunk))
            .setFinishWrite(last);
    if (offset == 0) {
      request.setResourceName(resource);
    }
    try {
      stopped = !call.write(request.build());
    } catch (StatusException e) {
      throw failure(e.getStatus());
    } catch (InterruptedException e) {
      throw StoreErrors.interrupted(e);
    }
    offset += chunk.length;
  }

  /** Waits for the acknowledgement. */
  void finish() throws IOException {
    @Nullable WriteResponse response;
    try {
      if (!stopped) {
        call.halfClose();
      }
      response = call.read();
    } catch (StatusException e) {
      throw failure(e.getStatus());
    } catch (InterruptedException e) {
      throw StoreErrors.interrupted(e);
    }
    if (response == null || response.getCommittedSize() != digest.sizeBytes()) {
      throw StoreErrors.of(
          digest,
          Status.UNAVAILABLE.withDescription(
              "the write was acknowledged for "
                  + (response == null ? 0 : response.getCommittedSize())
                  + " bytes only; write again"));
    }
    done = true;
  }

  private IOException failure(Status status) {
    // Only the content can be wrong about a call that this class made.
    return status.getCode() == Status.Code.INVALID_ARGUMENT
        ? new DigestMismatchException(digest, "refused: " + status.getDescription())
        : StoreErrors.of(digest, status);
  }

  @Override
  public void close() {
    if (!done) {
      call.cancel("the writer gave up", null);
    }
  }
}
