package build.thresher.cas.reapi;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.LiveStreams;
import build.thresher.cas.api.ResumableBlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.reapi.ResourceNames.Compression;
import build.thresher.cas.store.CompressedForms;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.QueryWriteStatusRequest;
import com.google.bytestream.QueryWriteStatusResponse;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/**
 * ByteStream over a {@link ResumableBlobStore}, and over streams that still grow. Memory is a few
 * chunks a stream, however slow its peer. A large write whose stream broke goes on where
 * QueryWriteStatus says, after a restart too; a small or compressed one begins again at 0.
 *
 * <p>Its methods block: the server's executor must give each call a (virtual) thread.
 */
public final class ByteStreamService extends ByteStreamGrpc.ByteStreamImplBase {
  /** Of a message with a blob: a part of what is read ahead. */
  private static final int CHUNK_BYTES = 128 << 10;

  /** Of one with its compressed form, which is in memory: nobody waits for the disk meanwhile. */
  private static final int FORM_CHUNK_BYTES = 256 << 10;

  private final ResumableBlobStore store;
  private final CompressedForms forms;
  private final LiveStreams live;
  private final Wire wire;

  /** By resource name: of two writers of one, the earlier gives way. */
  private final ConcurrentMap<String, BlobUpload> inProgress = new ConcurrentHashMap<>();

  public ByteStreamService(ResumableBlobStore store, InstanceNames instances) {
    this(store, CompressedForms.none(), LiveStreams.NONE, instances);
  }

  /**
   * @param forms keeps what clients send compressed and what was compressed for them
   * @param live what can be read besides blobs
   */
  public ByteStreamService(
      ResumableBlobStore store, CompressedForms forms, LiveStreams live, InstanceNames instances) {
    this.store = store;
    this.forms = forms;
    this.live = live;
    this.wire = new Wire(instances);
  }

  @Override
  public void read(ReadRequest request, StreamObserver<ReadResponse> observer) {
    try {
      if (live.isName(request.getResourceName())) {
        StreamPump.start(observer, new LiveChunks(live, request));
        return;
      }
      ResourceNames.ToRead name = ResourceNames.parseToRead(request.getResourceName());
      Scope scope = wire.scope(name.instance());
      Digest digest = name.digest();
      long offset = request.getReadOffset();
      if (offset < 0 || offset > digest.sizeBytes()) {
        throw Status.OUT_OF_RANGE
            .withDescription("offset " + offset + " is not inside blob " + digest)
            .asRuntimeException();
      }
      if (request.getReadLimit() < 0) {
        throw new IllegalArgumentException("a read limit cannot be negative; 0 means all");
      }
      boolean compressed = name.compression() == Compression.ZSTD;
      if (compressed && request.getReadLimit() != 0) {
        throw new IllegalArgumentException("a compressed read takes no limit");
      }
      long limit = request.getReadLimit() == 0 ? Long.MAX_VALUE : request.getReadLimit();
      StreamPump.start(
          observer,
          compressed
              ? compressed(scope, digest, offset)
              : new Chunks(
                  store.read(scope, digest, offset, limit),
                  Math.min(limit, digest.sizeBytes() - offset),
                  CHUNK_BYTES));
    } catch (IOException | RuntimeException e) {
      observer.onError(Statuses.of(e).asRuntimeException());
    }
  }

  private StreamPump.Source<ReadResponse> compressed(Scope scope, Digest digest, long offset)
      throws IOException {
    if (offset > 0) {
      return new ZstdChunks(
          store.read(scope, digest, offset, Long.MAX_VALUE), CompressedForms.none().record(digest));
    }
    // Fails where the blob is gone, and has nothing read from the disk that a form would replace.
    store.read(scope, digest, 0, 0).close();
    CompressedForms.Form form = forms.read(digest);
    return form == null
        ? new ZstdChunks(store.read(scope, digest, 0, Long.MAX_VALUE), forms.record(digest))
        : new Chunks(form.bytes(), form.sizeBytes(), FORM_CHUNK_BYTES);
  }

  private static final class Chunks implements StreamPump.Source<ReadResponse> {
    private final InputStream in;
    private final int chunkBytes;
    private long left;

    Chunks(InputStream in, long bytes, int chunkBytes) {
      this.in = in;
      this.left = bytes;
      this.chunkBytes = chunkBytes;
    }

    @Override
    public @Nullable ReadResponse next() throws IOException {
      // InputStream.readNBytes(int) would gather many small arrays.
      byte[] chunk = new byte[(int) Math.min(left, chunkBytes)];
      int n = in.readNBytes(chunk, 0, chunk.length);
      left -= n;
      return n == 0
          ? null
          : ReadResponse.newBuilder().setData(UnsafeByteOperations.unsafeWrap(chunk, 0, n)).build();
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }

  @Override
  public StreamObserver<WriteRequest> write(StreamObserver<WriteResponse> observer) {
    // One message is on its way while another is written: what a generated service is handed is
    // always of this type.
    ((ServerCallStreamObserver<WriteResponse>) observer).request(1);
    return new BlobUpload(store, forms, wire, inProgress, observer);
  }

  @Override
  public void queryWriteStatus(
      QueryWriteStatusRequest request, StreamObserver<QueryWriteStatusResponse> observer) {
    try {
      ResourceNames.Upload name = ResourceNames.parseUpload(request.getResourceName());
      Scope scope = wire.scope(name.instance());
      QueryWriteStatusResponse.Builder response = QueryWriteStatusResponse.newBuilder();
      if (store.contains(scope, name.digest())) {
        response.setCommittedSize(name.digest().sizeBytes()).setComplete(true);
      } else {
        // What nobody knows begins at 0: clients take another error for the end of their upload.
        // A write that runs is asked the same way: what it holds in memory is not committed.
        response.setCommittedSize(store.received(request.getResourceName()));
      }
      observer.onNext(response.build());
      observer.onCompleted();
    } catch (IOException | RuntimeException e) {
      observer.onError(Statuses.of(e).asRuntimeException());
    }
  }
}
