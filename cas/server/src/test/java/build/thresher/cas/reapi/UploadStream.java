package build.thresher.cas.reapi;

import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.ByteString;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** A ByteStream write, message by message, as a client might send it. */
final class UploadStream {
  private final String name;
  private final Context.CancellableContext context = Context.current().withCancellation();
  private final CompletableFuture<Long> committed = new CompletableFuture<>();
  private final StreamObserver<WriteRequest> requests;

  UploadStream(Channel channel, String name) throws Exception {
    this.name = name;
    this.requests =
        context.call(
            () ->
                ByteStreamGrpc.newStub(channel)
                    .write(
                        new StreamObserver<WriteResponse>() {
                          @Override
                          public void onNext(WriteResponse response) {
                            committed.complete(response.getCommittedSize());
                          }

                          @Override
                          public void onError(Throwable t) {
                            committed.completeExceptionally(t);
                          }

                          @Override
                          public void onCompleted() {
                            committed.completeExceptionally(new AssertionError("no answer"));
                          }
                        }));
  }

  UploadStream send(long offset, byte[] bytes, int from, int to, boolean finish) {
    requests.onNext(
        WriteRequest.newBuilder()
            .setResourceName(name)
            .setWriteOffset(offset)
            .setData(ByteString.copyFrom(bytes, from, to - from))
            .setFinishWrite(finish)
            .build());
    return this;
  }

  /** The rest from an offset, in messages of this size. */
  UploadStream sendAll(byte[] bytes, int from, int messageBytes) {
    for (int at = from; at < bytes.length || at == from; at += messageBytes) {
      int end = Math.min(bytes.length, at + messageBytes);
      send(at, bytes, at, end, end == bytes.length);
    }
    return this;
  }

  UploadStream half() {
    requests.onCompleted();
    return this;
  }

  /** As a connection that breaks. */
  void breakOff() {
    context.cancel(new CancellationException("broken"));
  }

  /** Waits until one of them was answered or refused. */
  static UploadStream firstToEnd(UploadStream one, UploadStream other) throws Exception {
    CompletableFuture.anyOf(ended(one), ended(other)).get(60, TimeUnit.SECONDS);
    return one.committed.isDone() ? one : other;
  }

  private static CompletableFuture<Long> ended(UploadStream stream) {
    return stream.committed.exceptionally(refusal -> -1L);
  }

  long committed() throws Exception {
    try {
      return committed.get(60, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw Status.fromThrowable(e.getCause()).asRuntimeException();
    }
  }
}
