package build.thresher.cas.reapi;

import build.thresher.cas.api.LiveStreams;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Context;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A stream as it grows, until it ends, the limit is reached or the reader hangs up. */
final class LiveChunks implements StreamPump.Source<ReadResponse> {
  private static final int CHUNK_BYTES = 64 << 10;

  /** A reader that hung up is noticed after this. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final LiveStreams live;
  private final String name;
  private long offset;
  private long left;
  private boolean ended;

  LiveChunks(LiveStreams live, ReadRequest request) {
    if (request.getReadOffset() < 0) {
      throw Status.OUT_OF_RANGE.withDescription("a negative offset").asRuntimeException();
    }
    if (request.getReadLimit() < 0) {
      throw new IllegalArgumentException("a read limit cannot be negative; 0 means all");
    }
    this.live = live;
    this.name = request.getResourceName();
    this.offset = request.getReadOffset();
    this.left = request.getReadLimit() == 0 ? Long.MAX_VALUE : request.getReadLimit();
  }

  @Override
  public @Nullable ReadResponse next() throws IOException {
    while (!ended && left > 0 && !Context.current().isCancelled()) {
      LiveStreams.Chunk chunk = read();
      ended = chunk.last();
      if (chunk.bytes().length > 0) {
        offset += chunk.bytes().length;
        left -= chunk.bytes().length;
        return ReadResponse.newBuilder()
            .setData(UnsafeByteOperations.unsafeWrap(chunk.bytes()))
            .build();
      }
    }
    return null;
  }

  private LiveStreams.Chunk read() throws IOException {
    try {
      return live.read(name, offset, (int) Math.min(left, CHUNK_BYTES), PATIENCE)
          .orElseThrow(
              () ->
                  Status.NOT_FOUND
                      .withDescription("no stream `" + name + "`, or no longer")
                      .asRuntimeException());
    } catch (IllegalArgumentException e) {
      throw Status.OUT_OF_RANGE.withDescription(e.getMessage()).withCause(e).asRuntimeException();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Status.UNAVAILABLE
          .withDescription("the server is stopping")
          .withCause(e)
          .asRuntimeException();
    }
  }
}
