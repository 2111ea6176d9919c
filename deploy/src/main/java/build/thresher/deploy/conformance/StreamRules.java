package build.thresher.deploy.conformance;

import static build.thresher.deploy.conformance.BrokenRuleException.require;
import static build.thresher.deploy.conformance.Subject.digest;
import static build.thresher.deploy.conformance.Subject.refused;

import build.bazel.remote.execution.v2.Digest;
import com.github.luben.zstd.Zstd;
import com.google.bytestream.QueryWriteStatusRequest;
import com.google.bytestream.QueryWriteStatusResponse;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.ByteString;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** Blobs through ByteStream. */
final class StreamRules {
  private static final String PROTO = "remote_execution.proto, ContentAddressableStorage: ";
  private static final int SIZE = 300_000;

  private StreamRules() {}

  static List<Rule> all() {
    return List.of(
        new Rule(
            "What was written is read back, and its size committed",
            PROTO + "writing large blobs",
            StreamRules::roundTrip),
        new Rule(
            "The name of a blob may be followed by a file name",
            PROTO + "{/optional_metadata} of uploads/",
            StreamRules::fileName),
        new Rule(
            "Writing what is there succeeds with its whole size",
            PROTO + "writes of blobs that exist, committed_size",
            StreamRules::again),
        new Rule(
            "Other bytes than the name says are INVALID_ARGUMENT",
            PROTO + "the digest MUST be verified",
            server -> wrong(server, server.fresh(SIZE), digest(server.fresh(SIZE)))),
        new Rule(
            "Fewer or more bytes than the name says are INVALID_ARGUMENT",
            PROTO + "the digest MUST be verified",
            StreamRules::wrongSize),
        new Rule(
            "An offset and a limit give that part",
            "bytestream.proto, ReadRequest.read_offset and read_limit",
            StreamRules::part),
        new Rule(
            "An offset that is negative or beyond the end is OUT_OF_RANGE",
            "bytestream.proto, ReadRequest.read_offset",
            StreamRules::beyond),
        new Rule(
            "A negative limit is refused",
            "bytestream.proto, ReadRequest.read_limit",
            server -> {
              Digest digest = server.upload(server.fresh());
              refused(
                  () -> read(server, "blobs/", digest, 0, -1),
                  Code.INVALID_ARGUMENT,
                  Code.OUT_OF_RANGE);
            }),
        new Rule(
            "A blob that is missing is NOT_FOUND",
            PROTO + "reading",
            server ->
                refused(
                    () -> read(server, "blobs/", digest(server.fresh()), 0, 0), Code.NOT_FOUND)),
        new Rule(
            "A name that is none is refused",
            "bytestream.proto, resource_name",
            StreamRules::names),
        new Rule(
            "A broken write goes on where QueryWriteStatus says",
            "bytestream.proto, QueryWriteStatus",
            StreamRules::resumed),
        new Rule(
            "A blob is written and read compressed",
            PROTO + "compressed-blobs",
            StreamRules::compressed),
        new Rule(
            "A limit on a compressed read is INVALID_ARGUMENT",
            PROTO + "compressed-blobs, read_limit",
            server -> {
              server.needsZstd();
              Digest digest = server.upload(server.fresh());
              refused(
                  () -> read(server, "compressed-blobs/zstd/", digest, 0, 1),
                  Code.INVALID_ARGUMENT);
            }),
        new Rule(
            "A compressed write of what is there may end at once, with −1",
            PROTO + "compressed-blobs, committed_size",
            StreamRules::compressedAgain),
        new Rule(
            "What is no zstd, or unfolds to more than its name says, is INVALID_ARGUMENT",
            "bad input",
            StreamRules::bomb));
  }

  private static String uploadName(Subject server, String kind, Digest digest) {
    return server.inInstance(
        "uploads/"
            + UUID.randomUUID()
            + "/"
            + kind
            + digest.getHash()
            + "/"
            + digest.getSizeBytes());
  }

  /** One write from its beginning to its end. */
  private static long write(Subject server, String name, ByteString bytes) {
    CompletableFuture<Long> committed = new CompletableFuture<>();
    StreamObserver<WriteRequest> requests = server.byteStreams().write(new Committed(committed));
    int half = bytes.size() / 2;
    requests.onNext(
        WriteRequest.newBuilder().setResourceName(name).setData(bytes.substring(0, half)).build());
    requests.onNext(
        WriteRequest.newBuilder()
            .setWriteOffset(half)
            .setData(bytes.substring(half))
            .setFinishWrite(true)
            .build());
    requests.onCompleted();
    return join(committed);
  }

  private static <T> T join(CompletableFuture<T> future) {
    try {
      return future.orTimeout(Subject.PATIENCE_SECONDS + 5, TimeUnit.SECONDS).join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof StatusRuntimeException status) {
        throw status;
      }
      throw e;
    }
  }

  private record Committed(CompletableFuture<Long> size) implements StreamObserver<WriteResponse> {
    @Override
    public void onNext(WriteResponse response) {
      size.complete(response.getCommittedSize());
    }

    @Override
    public void onError(Throwable failure) {
      size.completeExceptionally(failure);
    }

    @Override
    public void onCompleted() {
      size.completeExceptionally(new IllegalStateException("it ended without an answer"));
    }
  }

  private static ByteString read(
      Subject server, String kind, Digest digest, long offset, long limit) {
    return read(server, server.blobName(kind, digest), offset, limit);
  }

  private static ByteString read(Subject server, String name, long offset, long limit) {
    Iterator<ReadResponse> answers =
        server
            .bytes()
            .read(
                ReadRequest.newBuilder()
                    .setResourceName(name)
                    .setReadOffset(offset)
                    .setReadLimit(limit)
                    .build());
    ByteString all = ByteString.EMPTY;
    while (answers.hasNext()) {
      all = all.concat(answers.next().getData());
    }
    return all;
  }

  private static void roundTrip(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(3 * SIZE);
    Digest digest = digest(bytes);
    long committed = write(server, uploadName(server, "blobs/", digest), bytes);
    require(committed == bytes.size(), "it committed " + committed + " of " + bytes.size());
    require(read(server, "blobs/", digest, 0, 0).equals(bytes), "other bytes came back");
  }

  private static void fileName(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(SIZE);
    Digest digest = digest(bytes);
    write(server, uploadName(server, "blobs/", digest) + "/some/file.name", bytes);
    require(server.has(digest), "the blob was not stored");
  }

  private static void again(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(SIZE);
    Digest digest = server.upload(bytes);
    long committed = write(server, uploadName(server, "blobs/", digest), bytes);
    require(committed == bytes.size(), "it committed " + committed + " of " + bytes.size());
  }

  private static void wrong(Subject server, ByteString bytes, Digest lie)
      throws BrokenRuleException {
    refused(() -> write(server, uploadName(server, "blobs/", lie), bytes), Code.INVALID_ARGUMENT);
    require(!server.has(lie), "it stored the wrong bytes");
  }

  private static void wrongSize(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(SIZE);
    Digest digest = digest(bytes);
    wrong(server, bytes, digest.toBuilder().setSizeBytes(SIZE + 1).build());
    wrong(server, bytes, digest.toBuilder().setSizeBytes(SIZE - 1).build());
  }

  private static void part(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(SIZE);
    Digest digest = server.upload(bytes);
    require(
        read(server, "blobs/", digest, 10, 20).equals(bytes.substring(10, 30)),
        "bytes 10 to 30 are others");
    require(
        read(server, "blobs/", digest, SIZE - 5, 0).equals(bytes.substring(SIZE - 5)),
        "the last 5 bytes are others");
    require(
        read(server, "blobs/", digest, SIZE - 5, 100).equals(bytes.substring(SIZE - 5)),
        "a limit beyond the end gives something else than the rest");
  }

  private static void beyond(Subject server) throws BrokenRuleException {
    Digest digest = server.upload(server.fresh());
    refused(() -> read(server, "blobs/", digest, digest.getSizeBytes() + 1, 0), Code.OUT_OF_RANGE);
    refused(() -> read(server, "blobs/", digest, -1, 0), Code.OUT_OF_RANGE);
  }

  private static void names(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh();
    String hash = digest(bytes).getHash();
    for (String name :
        List.of("", "blobs", "blobs/" + hash, "blobs/" + hash + "/x", "blobs/" + hash + "/-1")) {
      refused(
          () -> read(server, server.inInstance(name), 0, 0), Code.INVALID_ARGUMENT, Code.NOT_FOUND);
      refused(() -> write(server, server.inInstance(name), bytes), Code.INVALID_ARGUMENT);
    }
  }

  private static void resumed(Subject server) throws BrokenRuleException {
    ByteString bytes = server.fresh(SIZE);
    Digest digest = digest(bytes);
    String name = uploadName(server, "blobs/", digest);
    CompletableFuture<Long> broken = new CompletableFuture<>();
    StreamObserver<WriteRequest> requests = server.byteStreams().write(new Committed(broken));
    requests.onNext(
        WriteRequest.newBuilder()
            .setResourceName(name)
            .setData(bytes.substring(0, SIZE / 2))
            .build());
    requests.onError(new IllegalStateException("the client goes away"));
    QueryWriteStatusResponse status =
        server
            .bytes()
            .queryWriteStatus(QueryWriteStatusRequest.newBuilder().setResourceName(name).build());
    long at = status.getCommittedSize();
    require(!status.getComplete() && at <= SIZE / 2, "the status is " + status);
    CompletableFuture<Long> committed = new CompletableFuture<>();
    StreamObserver<WriteRequest> rest = server.byteStreams().write(new Committed(committed));
    rest.onNext(
        WriteRequest.newBuilder()
            .setResourceName(name)
            .setWriteOffset(at)
            .setData(bytes.substring((int) at))
            .setFinishWrite(true)
            .build());
    rest.onCompleted();
    require(join(committed) == SIZE, "it committed something else than the whole");
    require(server.has(digest), "the blob was not stored");
  }

  private static void compressed(Subject server) throws BrokenRuleException, NotOfferedException {
    server.needsZstd();
    ByteString bytes = server.fresh(SIZE);
    Digest digest = digest(bytes);
    ByteString packed = ByteString.copyFrom(Zstd.compress(bytes.toByteArray()));
    write(server, uploadName(server, "compressed-blobs/zstd/", digest), packed);
    require(read(server, "blobs/", digest, 0, 0).equals(bytes), "plain, other bytes came back");
    ByteString back = read(server, "compressed-blobs/zstd/", digest, 0, 0);
    require(
        ByteString.copyFrom(Zstd.decompress(back.toByteArray(), SIZE + 1)).equals(bytes),
        "compressed, other bytes came back");
  }

  private static void compressedAgain(Subject server)
      throws BrokenRuleException, NotOfferedException {
    server.needsZstd();
    ByteString bytes = server.fresh(SIZE);
    Digest digest = server.upload(bytes);
    ByteString packed = ByteString.copyFrom(Zstd.compress(bytes.toByteArray()));
    long committed = write(server, uploadName(server, "compressed-blobs/zstd/", digest), packed);
    require(committed == -1 || committed == packed.size(), "it committed " + committed);
  }

  private static void bomb(Subject server) throws BrokenRuleException, NotOfferedException {
    server.needsZstd();
    ByteString small = server.fresh();
    Digest digest = digest(small);
    ByteString zeros = ByteString.copyFrom(Zstd.compress(new byte[64 << 20]));
    for (ByteString bytes : List.of(server.fresh(), zeros)) {
      refused(
          () -> write(server, uploadName(server, "compressed-blobs/zstd/", digest), bytes),
          Code.INVALID_ARGUMENT);
    }
    require(!server.has(digest), "it stored something");
  }
}
