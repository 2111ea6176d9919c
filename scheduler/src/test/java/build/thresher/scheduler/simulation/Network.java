package build.thresher.scheduler.simulation;

import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What lies between the server and everybody else: messages are late, overtake each other, come
 * twice or never, until it is calm.
 */
final class Network {
  private static final int LOST_PER_THOUSAND = 40;
  private static final int DOUBLED_PER_THOUSAND = 30;
  private static final int SLOW_PER_THOUSAND = 60;

  private final VirtualTime time;
  private final Random random;
  private final Set<String> cutOff = new HashSet<>();
  private boolean calm;

  Network(VirtualTime time, Random random) {
    this.time = time;
    this.random = random;
  }

  /** From here on every message arrives, once and soon. */
  void calmDown() {
    calm = true;
    cutOff.clear();
  }

  void cutOff(String peer, Duration howLong) {
    if (!calm) {
      cutOff.add(peer);
      time.after(howLong, () -> cutOff.remove(peer));
    }
  }

  /** A request on its way to the server, and the way back. */
  interface Request<T> {
    void arrive(Consumer<T> answer);
  }

  /**
   * A call as gRPC gives it: one answer or, when the time is up, none; then nobody knows whether it
   * arrived.
   */
  <T> void call(
      String peer, Duration deadline, Request<T> request, Consumer<Optional<T>> continuation) {
    OneAnswer<T> once = new OneAnswer<>(continuation);
    carry(peer, () -> request.arrive(answer -> carry(peer, () -> once.accept(answer))));
    time.after(deadline, () -> once.accept(null));
  }

  private void carry(String peer, Runnable arrival) {
    int fate = calm ? 1000 : random.nextInt(1000);
    if (fate < LOST_PER_THOUSAND) {
      return;
    }
    int copies = fate < LOST_PER_THOUSAND + DOUBLED_PER_THOUSAND ? 2 : 1;
    for (int i = 0; i < copies; i++) {
      time.after(
          delay(),
          () -> {
            if (!cutOff.contains(peer)) {
              arrival.run();
            }
          });
    }
  }

  private Duration delay() {
    boolean slow = !calm && random.nextInt(1000) < SLOW_PER_THOUSAND;
    return slow
        ? Duration.ofMillis(random.nextInt(40_000))
        : Duration.ofNanos(200_000 + random.nextInt(2_000_000));
  }

  private static final class OneAnswer<T> {
    private final Consumer<Optional<T>> continuation;
    private boolean given;

    OneAnswer(Consumer<Optional<T>> continuation) {
      this.continuation = continuation;
    }

    void accept(@Nullable T answer) {
      if (!given) {
        given = true;
        continuation.accept(Optional.ofNullable(answer));
      }
    }
  }
}
