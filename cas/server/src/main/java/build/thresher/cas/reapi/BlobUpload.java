package build.thresher.cas.reapi;

import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.ResumableBlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.reapi.ResourceNames.Compression;
import build.thresher.cas.store.CompressedForms;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One ByteStream write. gRPC delivers its messages one at a time and asks for the next when this
 * one was written, so the disk's pace is the client's. Answers early where the blob is there
 * already.
 *
 * <p>Of two streams that write one resource the later has it: the earlier is most likely a
 * connection that broke without anybody here having noticed. Its methods hold its monitor.
 */
final class BlobUpload implements StreamObserver<WriteRequest> {
  private static final Logger log = LoggerFactory.getLogger(BlobUpload.class);

  /** What an early answer to a compressed write commits: the API's word for "none of yours". */
  private static final long NONE_OF_YOURS = -1;

  private final ResumableBlobStore store;
  private final CompressedForms forms;
  private final Wire wire;
  private final ConcurrentMap<String, BlobUpload> inProgress;
  private final StreamObserver<WriteResponse> observer;
  private @Nullable Open open;
  private boolean done;

  /** Bytes of the resource that arrived, as they were sent. */
  private long received;

  /**
   * @param zstd null where the bytes come as they are
   */
  private record Open(String name, Digest digest, BlobWriter writer, @Nullable Zstd zstd) {}

  /** How compressed bytes are taken: decoded for the store, and recorded as they came. */
  private record Zstd(ZstdDecoder decoder, CompressedForms.Recorder recorder)
      implements AutoCloseable {
    void write(ByteBuffer bytes, BlobWriter writer) throws IOException {
      recorder.write(bytes);
      decoder.decode(bytes, writer::write);
    }

    @Override
    public void close() {
      decoder.close();
      recorder.close();
    }
  }

  BlobUpload(
      ResumableBlobStore store,
      CompressedForms forms,
      Wire wire,
      ConcurrentMap<String, BlobUpload> inProgress,
      StreamObserver<WriteResponse> observer) {
    this.store = store;
    this.forms = forms;
    this.wire = wire;
    this.inProgress = inProgress;
    this.observer = observer;
  }

  @Override
  public synchronized void onNext(WriteRequest request) {
    if (done) {
      return;
    }
    try {
      Open at = open == null ? begin(request) : open;
      if (at != null) {
        append(at, request);
      }
    } catch (IOException | RuntimeException e) {
      fail(Statuses.of(e));
    }
  }

  private @Nullable Open begin(WriteRequest request) throws IOException {
    String resource = request.getResourceName();
    ResourceNames.Upload name = ResourceNames.parseUpload(resource);
    Scope scope = wire.scope(name.instance());
    Digest digest = name.digest();
    boolean compressed = name.compression() == Compression.ZSTD;
    if (store.contains(scope, digest)) {
      answer(compressed ? NONE_OF_YOURS : digest.sizeBytes());
      return null;
    }
    long offset = request.getWriteOffset();
    if (offset < 0 || (compressed && offset > 0)) {
      throw new IllegalArgumentException(
          offset < 0
              ? "a write cannot begin at the negative offset " + offset
              : "a compressed write that broke off begins again at offset 0");
    }
    BlobUpload earlier = inProgress.put(resource, this);
    if (earlier != null) {
      earlier.giveWay();
    }
    boolean opened = false;
    try {
      open =
          compressed
              ? new Open(
                  resource,
                  digest,
                  store.write(scope, digest),
                  new Zstd(new ZstdDecoder(), forms.record(digest)))
              : new Open(resource, digest, store.resume(scope, digest, resource, offset), null);
      received = offset;
      opened = true;
      return open;
    } finally {
      if (!opened) {
        inProgress.remove(resource, this);
      }
    }
  }

  private void append(Open at, WriteRequest request) throws IOException {
    if (!request.getResourceName().isEmpty() && !request.getResourceName().equals(at.name())) {
      throw new IllegalArgumentException("the resource name changed in the middle of a write");
    }
    if (request.getWriteOffset() != received) {
      throw new IllegalArgumentException(
          "the write goes on at offset " + received + ", not at " + request.getWriteOffset());
    }
    for (ByteBuffer part : Parts.of(request.getData())) {
      if (at.zstd() == null) {
        at.writer().write(part);
      } else {
        at.zstd().write(part, at.writer());
      }
    }
    received += request.getData().size();
    if (request.getFinishWrite()) {
      if (at.zstd() != null) {
        at.zstd().decoder().finish();
      }
      at.writer().commit();
      if (at.zstd() != null) {
        at.zstd().recorder().keep();
      }
      answer(received);
    }
  }

  private synchronized void giveWay() {
    if (!done) {
      fail(Status.ABORTED.withDescription("another stream writes the same resource now"));
    }
  }

  @Override
  public synchronized void onError(Throwable cancelled) {
    end();
  }

  @Override
  public synchronized void onCompleted() {
    if (!done) {
      fail(
          Status.INVALID_ARGUMENT.withDescription(
              "the stream ended before a message with finish_write; the blob was not stored"));
    }
  }

  private void answer(long committedSize) {
    end();
    observer.onNext(WriteResponse.newBuilder().setCommittedSize(committedSize).build());
    observer.onCompleted();
  }

  private void fail(Status status) {
    end();
    observer.onError(status.asRuntimeException());
  }

  private void end() {
    done = true;
    Open at = open;
    open = null;
    if (at != null) {
      inProgress.remove(at.name(), this);
      try (Zstd zstd = at.zstd()) {
        at.writer().close();
      } catch (IOException e) {
        log.warn("closing an upload failed blob={}", at.digest(), e);
      }
    }
  }
}
