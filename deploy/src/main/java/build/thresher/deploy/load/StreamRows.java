package build.thresher.deploy.load;

import build.thresher.cas.api.Digest;
import build.thresher.deploy.load.Row.NotOfferedException;
import com.github.luben.zstd.Zstd;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import io.grpc.Channel;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;

/**
 * One large blob over ByteStream. MB are those of the blob, whatever travels; the client compresses
 * before the clock starts and does not decompress.
 */
final class StreamRows {
  private static final int BYTES = 64 << 20;

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
    String name = Upload.name(target, zstd ? "compressed-blobs/zstd" : "blobs", Digest.of(blob));
    byte[] sent = zstd ? Zstd.compress(blob, 1) : blob;
    long start = System.nanoTime();
    long committed = Upload.send(target.channel(), name, Upload.bytes(sent));
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
    long received = receive(target.channel(), name);
    double seconds = (System.nanoTime() - start) / 1e9;
    if (zstd ? received == 0 : received != BYTES) {
      throw new IOException(received + " bytes came back");
    }
    return BYTES / 1e6 / seconds;
  }

  /** Reads a stream to its end. */
  static long receive(Channel channel, String name) {
    long received = 0;
    Iterator<ReadResponse> chunks =
        ByteStreamGrpc.newBlockingStub(channel)
            .read(ReadRequest.newBuilder().setResourceName(name).build());
    while (chunks.hasNext()) {
      received += chunks.next().getData().size();
    }
    return received;
  }
}
