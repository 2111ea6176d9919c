package build.thresher.cas.reapi;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.ByteString;
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
 */
final class BlobUpload implements StreamObserver<WriteRequest> {
  private static final Logger log = LoggerFactory.getLogger(BlobUpload.class);

  private final BlobStore store;
  private final Wire wire;
  private final ConcurrentMap<String, BlobUpload> inProgress;
  private final StreamObserver<WriteResponse> observer;
  private @Nullable Open open;
  private boolean done;
  private volatile long received;

  private record Open(String name, Digest digest, BlobWriter writer) {}

  BlobUpload(
      BlobStore store,
      Wire wire,
      ConcurrentMap<String, BlobUpload> inProgress,
      StreamObserver<WriteResponse> observer) {
    this.store = store;
    this.wire = wire;
    this.inProgress = inProgress;
    this.observer = observer;
  }

  long received() {
    return received;
  }

  @Override
  public void onNext(WriteRequest request) {
    if (done) {
      return;
    }
    try {
      Open at = open == null ? begin(request) : open;
      if (at != null) {
        append(at, request);
      }
    } catch (IOException | RuntimeException e) {
      fail(e);
    }
  }

  private @Nullable Open begin(WriteRequest request) throws IOException {
    ResourceNames.Upload name = ResourceNames.parseUpload(request.getResourceName());
    Scope scope = wire.scope(name.instance());
    Digest digest = name.digest();
    if (store.contains(scope, digest)) {
      answer(digest.sizeBytes());
      return null;
    }
    Open opened = new Open(request.getResourceName(), digest, store.write(scope, digest));
    open = opened;
    inProgress.put(opened.name(), this);
    return opened;
  }

  private void append(Open at, WriteRequest request) throws IOException {
    if (!request.getResourceName().isEmpty() && !request.getResourceName().equals(at.name())) {
      throw new IllegalArgumentException("the resource name changed in the middle of a write");
    }
    if (request.getWriteOffset() != at.writer().position()) {
      throw new IllegalArgumentException(
          "the write goes on at offset "
              + at.writer().position()
              + ", not at "
              + request.getWriteOffset());
    }
    ByteString data = request.getData();
    for (ByteBuffer part : data.asReadOnlyByteBufferList()) {
      at.writer().write(part);
    }
    received = at.writer().position();
    if (request.getFinishWrite()) {
      at.writer().commit();
      answer(at.digest().sizeBytes());
    }
  }

  @Override
  public void onError(Throwable cancelled) {
    end();
  }

  @Override
  public void onCompleted() {
    if (!done) {
      fail(
          new IllegalArgumentException(
              "the stream ended before a message with finish_write; nothing was stored"));
    }
  }

  private void answer(long committedSize) {
    end();
    observer.onNext(WriteResponse.newBuilder().setCommittedSize(committedSize).build());
    observer.onCompleted();
  }

  private void fail(Exception e) {
    end();
    observer.onError(Statuses.of(e).asRuntimeException());
  }

  private void end() {
    done = true;
    Open at = open;
    open = null;
    if (at != null) {
      inProgress.remove(at.name(), this);
      try {
        at.writer().close();
      } catch (IOException e) {
        log.warn("closing an upload failed blob={}", at.digest(), e);
      }
    }
  }
}
