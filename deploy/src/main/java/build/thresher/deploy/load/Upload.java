package build.thresher.deploy.load;

import build.thresher.cas.api.Digest;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Channel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One write of ByteStream, sent as fast as the server takes it. */
final class Upload implements ClientResponseObserver<WriteRequest, WriteResponse> {
  private static final int CHUNK_BYTES = 256 << 10;

  /** What is sent. */
  interface Source {
    long sizeBytes();

    /** A part of at most {@link #CHUNK_BYTES} that begins at a multiple of it. */
    ByteString at(long offset, int count);
  }

  private final String name;
  private final Source source;
  private final CompletableFuture<Long> committed = new CompletableFuture<>();
  private long sent;

  private Upload(String name, Source source) {
    this.name = name;
    this.source = source;
  }

  /** A new name for a write of a blob. */
  static String name(Target target, String kind, Digest digest) {
    return target.prefix() + "uploads/" + UUID.randomUUID() + "/" + kind + "/" + digest;
  }

  static Source bytes(byte[] bytes) {
    return new Source() {
      @Override
      public long sizeBytes() {
        return bytes.length;
      }

      @Override
      public ByteString at(long offset, int count) {
        return UnsafeByteOperations.unsafeWrap(bytes, Math.toIntExact(offset), count);
      }
    };
  }

  /** Returns what the server says that it has committed. */
  static long send(Channel channel, String name, Source source) throws Exception {
    Upload upload = new Upload(name, source);
    ByteStreamGrpc.newStub(channel).write(upload);
    return upload.committed.get(30, TimeUnit.MINUTES);
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<WriteRequest> requests) {
    requests.setOnReadyHandler(
        () -> {
          while (requests.isReady() && sent < source.sizeBytes()) {
            requests.onNext(next());
            if (sent == source.sizeBytes()) {
              requests.onCompleted();
            }
          }
        });
  }

  private WriteRequest next() {
    int n = (int) Math.min(CHUNK_BYTES, source.sizeBytes() - sent);
    WriteRequest.Builder chunk = WriteRequest.newBuilder();
    if (sent == 0) {
      chunk.setResourceName(name);
    }
    chunk
        .setWriteOffset(sent)
        .setData(source.at(sent, n))
        .setFinishWrite(sent + n == source.sizeBytes());
    sent += n;
    return chunk.build();
  }

  @Override
  public void onNext(WriteResponse response) {
    committed.complete(response.getCommittedSize());
  }

  @Override
  public void onError(@Nullable Throwable failure) {
    committed.completeExceptionally(
        failure == null ? new IOException("the write failed") : failure);
  }

  @Override
  public void onCompleted() {
    committed.completeExceptionally(new IOException("the server did not answer the write"));
  }
}
