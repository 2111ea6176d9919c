package build.thresher.cas.sources;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.http.SourceLookup;
import com.google.common.base.Ticker;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The source mirror as readers over HTTP see it: what it lacks is fetched from the configured
 * mirrors when somebody asks for it by a checksum that can be verified.
 *
 * <p>A reader waits {@link Limits#whole} for all of it, so that nearly everybody gets an answer
 * about a file that was verified. What takes longer is handed on while it comes, because Spack
 * gives up when it hears nothing for its {@code connect_timeout} of 10 s, and Spack 1.1 does not
 * try again. The fetch goes on when readers leave.
 *
 * <p>Threading: any thread; calls block for {@link Limits#any} at most. A virtual thread for each
 * fetch.
 */
public final class PullThrough implements SourceLookup {
  private static final Logger LOG = LoggerFactory.getLogger(PullThrough.class);
  private static final int MAX_REMEMBERED = 10_000;
  private static final Duration LOOK_AGAIN = Duration.ofMillis(50);

  /**
   * How long readers wait, and what they may make the farm do.
   *
   * @param whole wait for all of it
   * @param any wait for the first of it; shorter than clients wait
   * @param fetches at once; who finds no place waits for one
   * @param missing so long nothing is asked again for what the mirrors do not have
   * @param failed so long where they could not be reached
   */
  record Limits(Duration whole, Duration any, int fetches, Duration missing, Duration failed) {
    static final Limits DEFAULTS =
        new Limits(
            Duration.ofSeconds(2),
            Duration.ofSeconds(8),
            16,
            Duration.ofMinutes(1),
            Duration.ofSeconds(10));
  }

  private final SourceFetcher fetcher;
  private final UnaryOperator<String> instances;
  private final Limits limits;
  private final LongSupplier nanoTime;
  private final Semaphore places;
  private final ConcurrentHashMap<Wanted, CompletableFuture<Answer>> running =
      new ConcurrentHashMap<>();
  private final Cache<Wanted, Answer> missing;
  private final Cache<Wanted, Answer> failed;

  private record Wanted(String instance, String path, Checksums checksums) {}

  /**
   * @param instances gives the one name of an instance, or throws IllegalArgumentException
   */
  public PullThrough(SourceFetcher fetcher, UnaryOperator<String> instances) {
    this(fetcher, instances, Limits.DEFAULTS, System::nanoTime);
  }

  PullThrough(
      SourceFetcher fetcher,
      UnaryOperator<String> instances,
      Limits limits,
      LongSupplier nanoTime) {
    this.fetcher = fetcher;
    this.instances = instances;
    this.limits = limits;
    this.nanoTime = nanoTime;
    this.places = new Semaphore(limits.fetches(), true);
    this.missing = remembered(limits.missing());
    this.failed = remembered(limits.failed());
  }

  private Cache<Wanted, Answer> remembered(Duration time) {
    Ticker ticker =
        new Ticker() {
          @Override
          public long read() {
            return nanoTime.getAsLong();
          }
        };
    return CacheBuilder.newBuilder()
        .maximumSize(MAX_REMEMBERED)
        .expireAfterWrite(time)
        .ticker(ticker)
        .build();
  }

  @Override
  public Answer find(String instance, String path) throws IOException {
    Optional<Digest> stored = fetcher.mirror().find(instance, path);
    if (stored.isPresent()) {
      return new Stored(stored.get());
    }
    Optional<Wanted> wanted = wanted(instance, path);
    if (wanted.isEmpty()) {
      return new Missing();
    }
    for (Cache<Wanted, Answer> cache : ImmutableList.of(missing, failed)) {
      Answer before = cache.getIfPresent(wanted.get());
      if (before != null) {
        return before;
      }
    }
    return pull(wanted.get());
  }

  /** Only what its name lets verify, and only for an instance that there is. */
  private Optional<Wanted> wanted(String instance, String path) {
    SourceOptions options = fetcher.options();
    if (!options.pullThrough() || options.mirrors().isEmpty()) {
      return Optional.empty();
    }
    try {
      String name = instances.apply(instance);
      return new SourcePath(path)
          .checksum()
          .flatMap(Checksums::ofPath)
          .map(checksums -> new Wanted(name, path, checksums));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private Answer pull(Wanted wanted) throws IOException {
    long begun = nanoTime.getAsLong();
    try {
      CompletableFuture<Answer> mine = new CompletableFuture<>();
      CompletableFuture<Answer> pull =
          Objects.requireNonNullElse(running.putIfAbsent(wanted, mine), mine);
      if (pull == mine) {
        start(wanted, mine);
      }
      Optional<Answer> whole = within(left(begun, limits.whole()), pull);
      while (whole.isEmpty()) {
        Optional<Arrival> arrival = fetcher.arriving(wanted.checksums());
        Optional<InputStream> begins =
            arrival.isPresent() ? arrival.get().open() : Optional.empty();
        if (begins.isPresent()) {
          return new Arriving(begins.get());
        }
        Duration left = left(begun, limits.any());
        if (left.isZero()) {
          return new Later();
        }
        whole = within(left.compareTo(LOOK_AGAIN) < 0 ? left : LOOK_AGAIN, pull);
      }
      return whole.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while a source was fetched");
    }
  }

  private Duration left(long begun, Duration of) {
    Duration left = of.minusNanos(nanoTime.getAsLong() - begun);
    return left.isNegative() ? Duration.ZERO : left;
  }

  /** The first who asks waits for a place himself: there are no more who wait than connections. */
  private void start(Wanted wanted, CompletableFuture<Answer> pull) throws InterruptedException {
    boolean begun = false;
    try {
      begun = places.tryAcquire(limits.any().toNanos(), TimeUnit.NANOSECONDS);
      if (begun) {
        Thread.ofVirtual().name("pull-source").start(() -> run(wanted, pull));
      }
    } finally {
      if (!begun) {
        end(wanted, pull, new Later());
      }
    }
  }

  private void run(Wanted wanted, CompletableFuture<Answer> pull) {
    Answer answer = new Later();
    try {
      answer = fetch(wanted);
    } finally {
      places.release();
      end(wanted, pull, answer);
    }
  }

  private void end(Wanted wanted, CompletableFuture<Answer> pull, Answer answer) {
    running.remove(wanted, pull);
    pull.complete(answer);
  }

  private Answer fetch(Wanted wanted) {
    Scope scope = new Scope(wanted.instance(), "pull");
    try {
      Digest digest =
          fetcher.fetch(scope, wanted.checksums(), wanted.path(), ImmutableList.of()).digest();
      fetcher.mirror().fetched(scope, digest, wanted.path(), "");
      return new Stored(digest);
    } catch (FetchException e) {
      // Spack tries a server's error again for 15 s before it looks elsewhere, but not a 404.
      switch (e.reason()) {
        case NOT_THERE -> missing.put(wanted, new Missing());
        case UNREACHABLE, TOO_SLOW -> {
          LOG.warn("{}", e.getMessage());
          failed.put(wanted, new Missing());
        }
        case FORBIDDEN, WRONG_CONTENT, TOO_LARGE, MALFORMED -> {
          LOG.warn("{}", e.getMessage());
          missing.put(wanted, new Missing());
        }
      }
      return new Missing();
    } catch (IOException | RuntimeException e) {
      LOG.error("the source {} could not be stored", wanted.path(), e);
      failed.put(wanted, new Later());
      return new Later();
    }
  }

  private static Optional<Answer> within(Duration time, CompletableFuture<Answer> pull)
      throws InterruptedException {
    try {
      return Optional.of(pull.get(time.toNanos(), TimeUnit.NANOSECONDS));
    } catch (TimeoutException e) {
      return Optional.empty();
    } catch (ExecutionException e) {
      throw new AssertionError("it ends with an answer", e);
    }
  }
}
