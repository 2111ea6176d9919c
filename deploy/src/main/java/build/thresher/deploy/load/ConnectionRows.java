package build.thresher.deploy.load;

import build.thresher.cas.api.Digest;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * Sixteen connections at once, each with a blob of 1 GiB that no other has: what a server's memory
 * does meanwhile is the question. They take minutes, and 16 GiB of the server's disk. Rounds that
 * warm have blobs of 16 MiB.
 */
final class ConnectionRows {
  private static final int CONNECTIONS = 16;
  private static final int BLOCK_BYTES = 1 << 20;

  private final Content content;

  ConnectionRows(Content content) {
    this.content = content;
  }

  List<Row> rows() {
    return List.of(
        Row.of("16 connections, 1 GiB each, write", "MB/s", this::write),
        Row.of("16 connections, 1 GiB each, read", "MB/s", this::read));
  }

  private interface Transfer {
    long move(ManagedChannel own, Repeated blob) throws Exception;
  }

  private double write(Target target, int round) throws Exception {
    return all(
        target,
        round,
        (own, blob) -> Upload.send(own, Upload.name(target, "blobs", blob.digest()), blob));
  }

  private double read(Target target, int round) throws Exception {
    return all(
        target,
        round,
        (own, blob) -> StreamRows.receive(own, target.prefix() + "blobs/" + blob.digest()));
  }

  private double all(Target target, int round, Transfer transfer) throws Exception {
    Repeated[] blobs = new Repeated[CONNECTIONS];
    Work.seconds(CONNECTIONS, CONNECTIONS, i -> blobs[i] = blob(round, i));
    double seconds =
        Work.seconds(
            CONNECTIONS,
            CONNECTIONS,
            i -> {
              ManagedChannel own = target.newChannel();
              try {
                long moved = transfer.move(own, blobs[i]);
                if (moved != blobs[i].sizeBytes()) {
                  throw new IOException(moved + " of " + blobs[i].sizeBytes() + " bytes moved");
                }
              } finally {
                own.shutdownNow();
              }
            });
    return CONNECTIONS * blobs[0].sizeBytes() / 1e6 / seconds;
  }

  private Repeated blob(int round, int connection) throws NoSuchAlgorithmException {
    byte[] block = content.large("connection " + connection, round, BLOCK_BYTES);
    long size = round < 0 ? 16 << 20 : 1 << 30;
    MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
    for (long done = 0; done < size; done += BLOCK_BYTES) {
      sha256.update(block);
    }
    return new Repeated(block, size, Digest.parse(HexFormat.of().formatHex(sha256.digest()), size));
  }

  /** One block again and again: 16 GiB of noise would not fit into the client's memory. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Repeated(byte[] block, long sizeBytes, Digest digest) implements Upload.Source {
    @Override
    public ByteString at(long offset, int count) {
      return UnsafeByteOperations.unsafeWrap(block, (int) (offset % BLOCK_BYTES), count);
    }
  }
}
