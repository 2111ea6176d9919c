package build.thresher.scheduler.shell;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs calls as plain blocking code and turns what they throw into the status that the contract
 * names.
 *
 * <p>Threading: the server runs handlers on virtual threads, so a call with one answer runs where
 * its handler is called. That keeps what else happens to the call, its cancellation above all, from
 * being heard: a call that has to hear it runs on a virtual thread of its own.
 */
public final class Calls implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Calls.class);

  private final Duration readersPatience;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  /**
   * @param readersPatience a stream whose client takes nothing for so long ends
   */
  public Calls(Duration readersPatience) {
    this.readersPatience = readersPatience;
  }

  /** A call with many answers. */
  public interface Stream<T> {
    void write(StreamWriter<T> answers) throws Exception;
  }

  /** Answers with what the call returns, before this returns. */
  public <T> void unary(StreamObserver<T> observer, Callable<T> call) {
    guarded(observer, answer(observer, call)).run();
  }

  /** Answers with what the call returns; it may wait long, and hears that its caller hung up. */
  public <T> void poll(StreamObserver<T> observer, Callable<T> call) {
    start(observer, answer(observer, call));
  }

  private static <T> Body answer(StreamObserver<T> observer, Callable<T> call) {
    return () -> {
      observer.onNext(call.call());
      observer.onCompleted();
    };
  }

  /** Answers with what the call writes; it waits where the reader is slow. */
  public <T> void stream(StreamObserver<T> observer, Stream<T> call) {
    StreamWriter<T> writer =
        new StreamWriter<>((ServerCallStreamObserver<T>) observer, readersPatience);
    start(
        observer,
        () -> {
          call.write(writer);
          observer.onCompleted();
        });
  }

  private interface Body {
    void run() throws Exception;
  }

  private void start(StreamObserver<?> observer, Body body) {
    try {
      threads.execute(Context.current().wrap(guarded(observer, body)));
    } catch (RejectedExecutionException e) {
      observer.onError(stopping());
    }
  }

  private static Runnable guarded(StreamObserver<?> observer, Body body) {
    return () -> {
      try {
        body.run();
      } catch (StreamWriter.GoneException e) {
        log.debug("the caller is gone", e);
      } catch (InterruptedException e) {
        observer.onError(stopping());
      } catch (Exception e) {
        fail(observer, e);
      }
    };
  }

  private static StatusException stopping() {
    return Status.UNAVAILABLE.withDescription("the scheduler is stopping").asException();
  }

  private static void fail(StreamObserver<?> observer, Exception e) {
    try {
      boolean says = e instanceof StatusException || e instanceof StatusRuntimeException;
      observer.onError(says ? e : status(e).asException()); // as it is: it may carry details
    } catch (IllegalStateException alreadyClosed) {
      log.debug("the call was closed before it failed", alreadyClosed);
    }
  }

  private static Status status(Exception e) {
    return switch (e) {
      case UnavailableException u -> Status.UNAVAILABLE.withDescription(u.getMessage());
      case IOException io -> {
        log.warn("a call failed", io);
        yield Status.UNAVAILABLE.withDescription("the store did not answer: " + io.getMessage());
      }
      default -> {
        log.error("a call failed", e);
        yield Status.INTERNAL.withDescription("a bug in the scheduler; its log says more");
      }
    };
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
