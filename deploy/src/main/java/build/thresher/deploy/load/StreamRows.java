package build.thresher.deploy.load;

import build.thresher.cas.api.Digest;
import build.thresher.deploy.load.Row.NotOfferedException;
import com.github.luben.zstd.Zstd;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One large blob over ByteStream. MB are those of the blob, whatever travels; the client compresses
 * before the clock starts and does not decompress.
 */
final class StreamRows {
  private static final int BYTES = 64 << 20;
  private static final int CHUNK_BYTES = 256 << 10;

  private final Content content;

  StreamRows(Content content) {
    this.content = content;
  }

  List<Row> rows() {
    return List.of(
        Row.of("64 MiB ByteStream write", "MB/s", (t, round) -> write(t, round, false)),
        Row.of("64 MiB ByteStream read", "MB/s", (t, round) -> read(t, round, false)),
        Row.of("64 MiB ByteStream write, zstd", "MB/s", (t, round) -> write(t, round, true)),
        Row.of("64 MiB ByteStream read, zstd", "MB/s", (t, round) -> read(t, round, true)));
  }

  private byte[] blob(int round, boolean zstd) {
    return content.large(zstd ? "zstd" : "plain", round, BYTES);
  }

  private static void requireZstd(Target target, boolean zstd) throws NotOfferedException {
    if (zstd && !target.offersZstd()) {
      throw new NotOfferedException("zstd is not among the server's compressors");
    }
  }

  private double write(Target target, int round, boolean zstd) throws Exception {
    requireZstd(target, zstd);
    byte[] blob = blob(round, zstd);
    String name =
        target.prefix()
            + "uploads/"
            + UUID.randomUUID()
            + (zstd ? "/compressed-blobs/zstd/" : "/blobs/")
            + Digest.of(blob);
    byte[] sent = zstd ? Zstd.compress(blob, 1) : blob;
    long start = System.nanoTime();
    Upload upload = new Upload(name, sent);
    ByteStreamGrpc.newStub(target.channel()).write(upload);
    long committed = upload.committed.get(5, TimeUnit.MINUTES);
    double seconds = (System.nanoTime() - start) / 1e9;
    if (committed != sent.length && committed != BYTES) {
      throw new IOException("the server committed " + committed + " bytes");
    }
    return BYTES / 1e6 / seconds;
  }

  private double read(Target target, int round, boolean zstd) throws Exception {
    requireZstd(target, zstd);
    Digest digest = Digest.of(blob(round, zstd));
    String name = target.prefix() + (zstd ? "compressed-blobs/zstd/" : "blobs/") + digest;
    long start = System.nanoTime();
    long received = 0;
    Iterator<ReadResponse> chunks =
        ByteStreamGrpc.newBlockingStub(target.channel())
            .read(ReadRequest.newBuilder().setResourceName(name).build());
    while (chunks.hasNext()) {
      received += chunks.next().getData().size();
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    if (zstd ? received == 0 : received != BYTES) {
      throw new IOException(received + " bytes came back");
    }
    return BYTES / 1e6 / seconds;
  }

  /** Sends as fast as the server takes it. */
  private static final class Upload implements ClientResponseObserver<WriteRequest, WriteResponse> {
    private final String name;
    private final byte[] bytes;
    final CompletableFuture<Long> committed = new CompletableFuture<>();
    private int sent;

    Upload(String name, byte[] bytes) {
      this.name = name;
      this.bytes = bytes;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<WriteRequest> requests) {
      requests.setOnReadyHandler(
          () -> {
            while (requests.isReady() && sent < bytes.length) {
              requests.onNext(next());
              if (sent == bytes.length) {
                requests.onCompleted();
              }
            }
          });
    }

    private WriteRequest next() {
      int n = Math.min(CHUNK_BYTES, bytes.length - sent);
      WriteRequest.Builder chunk = WriteRequest.newBuilder();
      if (sent == 0) {
        chunk.setResourceName(name);
      }
      chunk
          .setWriteOffset(sent)
          .setData(UnsafeByteOperations.unsafeWrap(bytes, sent, n))
          .setFinishWrite(sent + n == bytes.length);
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
}
