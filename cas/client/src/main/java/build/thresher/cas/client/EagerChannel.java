package build.thresher.cas.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * A channel that tries to connect when a call is made, however long the server has been away. gRPC
 * would wait up to two minutes after many failures, longer than a lease lasts; whoever calls pauses
 * between calls anyway. At most one try a second is forced.
 */
final class EagerChannel extends ManagedChannel {
  private static final long PAUSE_NANOS = Duration.ofSeconds(1).toNanos();

  private final ManagedChannel channel;
  private final LongSupplier nanoTime;
  private final AtomicLong lastForced;

  EagerChannel(ManagedChannel channel, LongSupplier nanoTime) {
    this.channel = channel;
    this.nanoTime = nanoTime;
    this.lastForced = new AtomicLong(nanoTime.getAsLong() - PAUSE_NANOS);
  }

  @Override
  public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
    long now = nanoTime.getAsLong();
    long last = lastForced.get();
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE
        && now - last >= PAUSE_NANOS
        && lastForced.compareAndSet(last, now)) {
      channel.resetConnectBackoff();
    }
    return channel.newCall(method, options);
  }

  @Override
  public String authority() {
    return channel.authority();
  }

  @Override
  public ConnectivityState getState(boolean requestConnection) {
    return channel.getState(requestConnection);
  }

  @Override
  public void notifyWhenStateChanged(ConnectivityState source, Runnable callback) {
    channel.notifyWhenStateChanged(source, callback);
  }

  @Override
  public void resetConnectBackoff() {
    channel.resetConnectBackoff();
  }

  @Override
  public void enterIdle() {
    channel.enterIdle();
  }

  @Override
  public ManagedChannel shutdown() {
    channel.shutdown();
    return this;
  }

  @Override
  public ManagedChannel shutdownNow() {
    channel.shutdownNow();
    return this;
  }

  @Override
  public boolean isShutdown() {
    return channel.isShutdown();
  }

  @Override
  public boolean isTerminated() {
    return channel.isTerminated();
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
    return channel.awaitTermination(timeout, unit);
  }
}
