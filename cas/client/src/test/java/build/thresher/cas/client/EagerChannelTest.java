package build.thresher.cas.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.netty.NettyChannelBuilder;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class EagerChannelTest {
  private static final MethodDescriptor<byte[], byte[]> METHOD =
      MethodDescriptor.<byte[], byte[]>newBuilder(new Bytes(), new Bytes())
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("a.Service/Method")
          .build();

  private final AtomicLong millis = new AtomicLong(1_000_000);
  private final Recorded recorded = new Recorded();
  private final EagerChannel channel =
      new EagerChannel(recorded, () -> TimeUnit.MILLISECONDS.toNanos(millis.get()));

  @Test
  void callsForceAConnectionAtMostOnceASecondWhileTheServerIsAway() {
    recorded.state = ConnectivityState.TRANSIENT_FAILURE;
    for (int i = 0; i < 30; i++) { // three seconds
      channel.newCall(METHOD, CallOptions.DEFAULT);
      millis.addAndGet(100);
    }
    assertEquals(3, recorded.resets);
  }

  @Test
  void nothingIsForcedOnAChannelThatIsWell() {
    for (ConnectivityState state : ConnectivityState.values()) {
      if (state != ConnectivityState.TRANSIENT_FAILURE) {
        recorded.state = state;
        channel.newCall(METHOD, CallOptions.DEFAULT);
        millis.addAndGet(5_000);
      }
    }
    assertEquals(0, recorded.resets);
  }

  /** A channel to nowhere whose state is told. */
  private static final class Recorded extends ManagedChannel {
    private final ManagedChannel nowhere =
        NettyChannelBuilder.forTarget("127.0.0.1:1").usePlaintext().build();
    private ConnectivityState state = ConnectivityState.IDLE;
    private int resets;

    @Override
    public void resetConnectBackoff() {
      resets++;
    }

    @Override
    public ConnectivityState getState(boolean requestConnection) {
      return state;
    }

    @Override
    public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
      return nowhere.newCall(method, options);
    }

    @Override
    public String authority() {
      return nowhere.authority();
    }

    @Override
    public ManagedChannel shutdown() {
      return nowhere.shutdown();
    }

    @Override
    public ManagedChannel shutdownNow() {
      return nowhere.shutdownNow();
    }

    @Override
    public boolean isShutdown() {
      return nowhere.isShutdown();
    }

    @Override
    public boolean isTerminated() {
      return nowhere.isTerminated();
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
      return nowhere.awaitTermination(timeout, unit);
    }
  }

  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public java.io.InputStream stream(byte[] value) {
      return new java.io.ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(java.io.InputStream stream) {
      return new byte[0];
    }
  }
}
