package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Reply;
import build.thresher.scheduler.core.RequestState;
import java.time.Duration;
import java.util.Random;

/**
 * Somebody who orders, waits with several pairs of ears, sometimes changes his mind, and asks again
 * when he hears nothing.
 */
final class Client {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private final String name;
  private final VirtualTime time;
  private final Random random;
  private final Network network;
  private final Server server;
  private final Rules rules;

  Client(
      String name, VirtualTime time, Random random, Network network, Server server, Rules rules) {
    this.name = name;
    this.time = time;
    this.random = random;
    this.network = network;
    this.server = server;
    this.rules = rules;
  }

  String name() {
    return name;
  }

  /**
   * Orders, under the same id until somebody says that it was accepted.
   *
   * @param ears how many wait for the end
   */
  void order(Workload.Order order, int ears, boolean changesHisMind) {
    network.<Boolean>call(
        name,
        PATIENCE,
        answer -> server.execute(order, answer),
        accepted -> {
          if (accepted.isEmpty()) {
            time.after(pause(), () -> order(order, ears, changesHisMind));
            return;
          }
          rules.accepted(order.id());
          for (int i = 0; i < ears; i++) {
            await(order.id());
          }
          if (changesHisMind) {
            time.after(Duration.ofSeconds(random.nextInt(120)), () -> cancel(order.id()));
          }
        });
  }

  private void await(String request) {
    network.<RequestState>call(
        name,
        Duration.ofSeconds(60),
        answer -> server.await(request, answer),
        state ->
            state.ifPresentOrElse(
                ended -> rules.heard(request, ended),
                () -> time.after(pause(), () -> await(request))));
  }

  private void cancel(String request) {
    network.<Reply>call(
        name,
        PATIENCE,
        answer -> server.cancel(request, answer),
        reply -> {
          if (reply.isEmpty()) {
            time.after(pause(), () -> cancel(request));
          }
        });
  }

  private Duration pause() {
    return Duration.ofMillis(200 + random.nextInt(2000));
  }
}
