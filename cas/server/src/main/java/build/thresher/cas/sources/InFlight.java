package build.thresher.cas.sources;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;

/**
 * Fetches that run, so that what several ask for at once is fetched once. Threading: any thread;
 * calls block.
 */
final class InFlight<K> {
  private final ConcurrentHashMap<K, CompletableFuture<SourceFetcher.Fetched>> running =
      new ConcurrentHashMap<>();

  /** A fetch. */
  interface Work {
    SourceFetcher.Fetched run() throws IOException;
  }

  /** Does it, or waits for who does it already; who waits is not told from where it came. */
  SourceFetcher.Fetched once(K key, Work work) throws IOException {
    CompletableFuture<SourceFetcher.Fetched> mine = new CompletableFuture<>();
    Optional<CompletableFuture<SourceFetcher.Fetched>> first =
        Optional.ofNullable(running.putIfAbsent(key, mine));
    if (first.isPresent()) {
      return new SourceFetcher.Fetched(await(first.get()).digest(), "");
    }
    try {
      SourceFetcher.Fetched fetched = work.run();
      mine.complete(fetched);
      return fetched;
    } catch (IOException | RuntimeException e) {
      mine.completeExceptionally(e);
      throw e;
    } finally {
      running.remove(key, mine);
    }
  }

  private static SourceFetcher.Fetched await(CompletableFuture<SourceFetcher.Fetched> first)
      throws IOException {
    try {
      return first.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof FetchException refused) {
        throw new FetchException(refused.reason(), String.valueOf(refused.getMessage()), refused);
      }
      throw new IOException("the fetch of another caller failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while another caller's fetch ran");
    }
  }
}
