package build.thresher.scheduler.shell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.Task;
import build.thresher.v1.WaitExecutionRequest;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Streams to clients that read slowly, or not at all, over a real connection. */
@Timeout(180)
class CallsTest {
  private static final int MESSAGE_BYTES = 100_000;

  private final Calls calls = new Calls(Duration.ofSeconds(4));
  private final AtomicInteger sent = new AtomicInteger();
  private final BlockingQueue<Exception> ends = new LinkedBlockingQueue<>();
  private Server server = unopened();
  private ManagedChannel channel = unopened();

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"}) // set before each test
  private static <T> T unopened() {
    return null;
  }

  /** Has more to say than anybody wants to hear. */
  private final class Talker extends FarmGrpc.FarmImplBase {
    @Override
    public void waitExecution(
        WaitExecutionRequest request, StreamObserver<ExecuteUpdate> observer) {
      ExecuteUpdate update =
          ExecuteUpdate.newBuilder()
              .setTask(Task.newBuilder().setPhase("x".repeat(MESSAGE_BYTES)))
              .build();
      calls.stream(
          observer,
          answers -> {
            try {
              while (true) {
                answers.send(update);
                sent.incrementAndGet();
              }
            } catch (StreamWriter.GoneException | StatusException e) {
              ends.add(e);
              throw e;
            }
          });
    }
  }

  @BeforeEach
  void open() throws Exception {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(new Talker())
            .build()
            .start();
    channel = NettyChannelBuilder.forAddress("127.0.0.1", server.getPort()).usePlaintext().build();
  }

  @AfterEach
  void close() {
    channel.shutdownNow();
    server.shutdownNow();
    calls.close();
  }

  /** Starts a call that takes nothing until it is asked to. */
  private ClientCall<WaitExecutionRequest, ExecuteUpdate> start(
      AtomicInteger heard, CompletableFuture<Status> closed) {
    ClientCall<WaitExecutionRequest, ExecuteUpdate> call =
        channel.newCall(FarmGrpc.getWaitExecutionMethod(), CallOptions.DEFAULT);
    call.start(
        new ClientCall.Listener<>() {
          @Override
          public void onMessage(ExecuteUpdate message) {
            heard.incrementAndGet();
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            closed.complete(status);
          }
        },
        new Metadata());
    call.sendMessage(WaitExecutionRequest.getDefaultInstance());
    call.halfClose();
    return call;
  }

  @Test
  void whoTakesNothingIsDroppedAndHearsItWhenHeReadsAfterAll() throws Exception {
    AtomicInteger heard = new AtomicInteger();
    CompletableFuture<Status> closed = new CompletableFuture<>();
    ClientCall<WaitExecutionRequest, ExecuteUpdate> call = start(heard, closed);
    assertInstanceOf(StatusException.class, ends.poll(60, TimeUnit.SECONDS));
    assertTrue(sent.get() < 100, "kept for one who takes nothing: " + sent + " messages");
    call.request(1_000);
    Status end = closed.get(60, TimeUnit.SECONDS);
    assertEquals(Status.Code.UNAVAILABLE, end.getCode());
    assertEquals("nothing was read for 4 s; ask again, nothing is lost", end.getDescription());
    assertEquals(sent.get(), heard.get());
  }

  @Test
  void whoReadsSlowlyIsWaitedFor() throws Exception {
    AtomicInteger heard = new AtomicInteger();
    ClientCall<WaitExecutionRequest, ExecuteUpdate> call = start(heard, new CompletableFuture<>());
    for (int read = 1; read <= 60; read++) {
      call.request(1);
      while (heard.get() < read && ends.isEmpty()) {
        Thread.sleep(5);
      }
      Thread.sleep(80); // altogether longer than the patience, at no time as long
    }
    assertEquals(0, ends.size());
    call.cancel("enough", null);
    assertInstanceOf(StreamWriter.GoneException.class, ends.poll(60, TimeUnit.SECONDS));
  }
}
