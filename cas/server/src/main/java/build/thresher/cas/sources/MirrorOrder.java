package build.thresher.cas.sources;

import com.google.common.collect.ImmutableList;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * The configured mirrors in the order in which they are asked: their own, but one that did not
 * answer comes last for a while, so that a mirror that hangs does not hold up each source that
 * another one has. Threading: any thread.
 */
final class MirrorOrder {
  static final Duration LAST_FOR = Duration.ofMinutes(1);

  private final ImmutableList<URI> mirrors;
  private final LongSupplier nanoTime;
  private final ConcurrentHashMap<URI, Long> silentAt = new ConcurrentHashMap<>();

  MirrorOrder(ImmutableList<URI> mirrors, LongSupplier nanoTime) {
    this.mirrors = mirrors;
    this.nanoTime = nanoTime;
  }

  List<URI> now() {
    long now = nanoTime.getAsLong();
    silentAt.values().removeIf(then -> now - then > LAST_FOR.toNanos());
    List<URI> order = new ArrayList<>();
    mirrors.stream().filter(mirror -> !silentAt.containsKey(mirror)).forEach(order::add);
    mirrors.stream().filter(mirror -> !order.contains(mirror)).forEach(order::add);
    return order;
  }

  void didNotAnswer(URI mirror) {
    silentAt.put(mirror, nanoTime.getAsLong());
  }
}
