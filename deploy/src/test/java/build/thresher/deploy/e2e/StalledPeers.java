package build.thresher.deploy.e2e;

import build.thresher.cas.api.Digest;
import com.google.bytestream.ByteStreamGrpc;
import com.google.bytestream.ReadRequest;
import com.google.bytestream.ReadResponse;
import com.google.bytestream.WriteRequest;
import com.google.bytestream.WriteResponse;
import com.google.protobuf.ByteString;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;

/** Connections to a farm whose other ends are in no hurry. */
final class StalledPeers implements AutoCloseable {
  private static final int HALF_BYTES = 1 << 20;
  private static final int TRICKLE_MILLIS = 100;

  private final List<ManagedChannel> connections = new ArrayList<>();
  private final FarmUnderTest farm;

  StalledPeers(FarmUnderTest farm) {
    this.farm = farm;
  }

  private ManagedChannel connect() throws Exception {
    ManagedChannel connection = farm.connect();
    connections.add(connection);
    return connection;
  }

  private static ReadRequest read(Digest blob) {
    return ReadRequest.newBuilder().setResourceName("default/blobs/" + blob).build();
  }

  /** Asks for a blob, each four times, and takes nothing of it. */
  void takeNothing(int count, Digest blob) throws Exception {
    for (int i = 0; i < count; i++) {
      ManagedChannel connection = connect();
      for (int n = 0; n < 4; n++) {
        startAndNeverRead(connection, ByteStreamGrpc.getReadMethod(), read(blob));
      }
    }
  }

  static <Q, A> void startAndNeverRead(
      ManagedChannel channel, MethodDescriptor<Q, A> method, Q request) {
    ClientCall<Q, A> call = channel.newCall(method, CallOptions.DEFAULT);
    call.start(new ClientCall.Listener<>() {}, new Metadata());
    call.sendMessage(request);
    call.halfClose();
  }

  /** Takes a piece of a blob now and then. */
  void trickle(int count, Digest blob) throws Exception {
    for (int i = 0; i < count; i++) {
      ManagedChannel connection = connect();
      Thread.ofVirtual()
          .start(
              () -> {
                try {
                  Iterator<ReadResponse> pieces =
                      ByteStreamGrpc.newBlockingStub(connection).read(read(blob));
                  while (pieces.hasNext()) {
                    pieces.next();
                    Thread.sleep(TRICKLE_MILLIS);
                  }
                } catch (StatusRuntimeException | InterruptedException closed) {
                  return;
                }
              });
    }
  }

  /** Begins uploads and says no more. */
  void uploadHalf(int count) throws Exception {
    for (int i = 0; i < count; i++) {
      StreamObserver<WriteRequest> upload = ByteStreamGrpc.newStub(connect()).write(new Ignoring());
      Digest blob = Digest.fromHash(new byte[Digest.HASH_BYTES], 2L * HALF_BYTES + i);
      upload.onNext(
          WriteRequest.newBuilder()
              .setResourceName("default/uploads/" + UUID.randomUUID() + "/blobs/" + blob)
              .setData(ByteString.copyFrom(new byte[HALF_BYTES]))
              .build());
    }
  }

  private static final class Ignoring implements StreamObserver<WriteResponse> {
    @Override
    public void onNext(WriteResponse response) {}

    @Override
    public void onError(Throwable error) {}

    @Override
    public void onCompleted() {}
  }

  @Override
  public void close() {
    connections.forEach(ManagedChannel::shutdownNow);
  }
}
