package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.Digest;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.QueryWriteStatusRequest;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.nio.file.Path;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A large upload through kills of the server's process, as a client with patience makes it. */
class ResumedUploadTest {
  private static final int PART = 5 << 20;
  private static final int PARTS = 4;
  private static final int CHUNK_BYTES = 256 << 10;

  private final byte[] blob = new byte[PART * PARTS + 1];
  private final String digest;
  private final String name;

  ResumedUploadTest() {
    new Random(20).nextBytes(blob);
    digest = Digest.of(blob).toString();
    name = "default/uploads/" + UUID.randomUUID() + "/blobs/" + digest;
  }

  @Test
  void aLargeWriteGoesOnWhereItWasAfterEachKillOfTheServer(@TempDir Path directory)
      throws Exception {
    try (FarmUnderTest farm =
        FarmUnderTest.start(directory.resolve("farm"), "executor.local=false")) {
      for (int part = 1; part < PARTS; part++) {
        int end = part * PART;
        ManagedChannel channel = farm.connect();
        try {
          assertEquals(end - PART, committed(channel));
          CompletableFuture<Long> answer = send(channel, end - PART, end);
          Processes.until("the part has arrived", () -> committed(channel) == end);
          farm.killServer();
          assertThrows(ExecutionException.class, () -> answer.get(2, TimeUnit.MINUTES));
        } finally {
          channel.shutdownNow();
        }
        farm.startServer();
      }
      ManagedChannel channel = farm.connect();
      try {
        CompletableFuture<Long> answer = send(channel, (int) committed(channel), blob.length);
        assertEquals(blob.length, answer.get(2, TimeUnit.MINUTES));
        assertEquals(Digest.of(blob), Digest.of(read(channel)));
      } finally {
        channel.shutdownNow();
      }
    }
  }

  private long committed(ManagedChannel channel) {
    return ByteStreamGrpc.newBlockingStub(channel)
        .queryWriteStatus(QueryWriteStatusRequest.newBuilder().setResourceName(name).build())
        .getCommittedSize();
  }

  private byte[] read(ManagedChannel channel) {
    ByteString[] all = {ByteString.EMPTY};
    ByteStreamGrpc.newBlockingStub(channel)
        .read(ReadRequest.newBuilder().setResourceName("default/blobs/" + digest).build())
        .forEachRemaining(one -> all[0] = all[0].concat(one.getData()));
    return all[0].toByteArray();
  }

  /** Sends a part; the stream is ended at the blob's end only. */
  private CompletableFuture<Long> send(ManagedChannel channel, int from, int to) {
    CompletableFuture<Long> answer = new CompletableFuture<>();
    StreamObserver<WriteRequest> requests =
        ByteStreamGrpc.newStub(channel)
            .write(
                new StreamObserver<WriteResponse>() {
                  @Override
                  public void onNext(WriteResponse response) {
                    answer.complete(response.getCommittedSize());
                  }

                  @Override
                  public void onError(Throwable t) {
                    answer.completeExceptionally(t);
                  }

                  @Override
                  public void onCompleted() {
                    answer.completeExceptionally(new AssertionError("no answer"));
                  }
                });
    for (int at = from; at < to; at += CHUNK_BYTES) {
      int end = Math.min(to, at + CHUNK_BYTES);
      requests.onNext(
          WriteRequest.newBuilder()
              .setResourceName(name)
              .setWriteOffset(at)
              .setData(UnsafeByteOperations.unsafeWrap(blob, at, end - at))
              .setFinishWrite(end == blob.length)
              .build());
    }
    return answer;
  }
}
