package build.thresher.cas.sources;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;

/**
 * Fetches that run, so that what several ask for at once is fetched once. Threading: any thread;
 * calls block.
 */
final class InFlight<K> {
  private final ConcurrentHashMap<K, Running> running = new ConcurrentHashMap<>();

  private record Running(Object question, CompletableFuture<SourceFetcher.Fetched> answer) {}

  /** A fetch. */
  interface Work {
    SourceFetcher.Fetched run() throws IOException;
  }

  /**
   * Does it, or waits for who does it already; who waits is not told from where it came. Who asked
   * for the same, but elsewhere, does not share a failure.
   *
   * @param question all that the outcome depends on
   */
  SourceFetcher.Fetched once(K key, Object question, Work work) throws IOException {
    while (true) {
      Running mine = new Running(question, new CompletableFuture<>());
      Running first = running.putIfAbsent(key, mine);
      if (first == null) {
        return run(key, mine, work);
      }
      try {
        return new SourceFetcher.Fetched(await(first.answer()).digest(), "");
      } catch (FetchException e) {
        if (first.question().equals(question)) {
          throw e;
        }
      }
    }
  }

  private SourceFetcher.Fetched run(K key, Running mine, Work work) throws IOException {
    try {
      SourceFetcher.Fetched fetched = work.run();
      running.remove(key, mine);
      mine.answer().complete(fetched);
      return fetched;
    } catch (IOException | RuntimeException | Error e) {
      running.remove(key, mine);
      mine.answer().completeExceptionally(e);
      throw e;
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
