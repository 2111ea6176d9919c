package build.thresher.scheduler.store;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.WorkKind;
import java.io.IOException;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where the scheduler keeps what it must not forget: live state, history, and what is known to
 * fail.
 *
 * <p>Guarantees: a batch that {@link #commit} acknowledged is there after any crash, whole, and
 * with it all that was written before; one that failed is there whole or not at all. Of what was
 * only written since, a power cut leaves what was written first. Whoever opens the store later
 * shuts out whoever opened it before. Loading costs what is live, not what ever was.
 *
 * <p>Threading: {@link #open}, {@link #loadLive}, {@link #commit}, {@link #write} and {@link #sync}
 * by one thread at a time; queries by any. All block; call them on platform threads.
 */
public interface TaskStore extends AutoCloseable {

  /**
   * Takes the store over: every earlier epoch's commits are refused from now on. After a commit
   * that failed this is also the way to be stored again, once the disk takes it.
   */
  long open() throws IOException;

  /** All that is not over, under the epoch that {@link #open} gave last. */
  LiveState loadLive() throws IOException;

  /**
   * Stores a batch, durably.
   *
   * @throws StaleEpochException when somebody else has opened the store since
   */
  void commit(long epoch, List<Change> batch) throws IOException;

  /**
   * Stores a batch that a power cut may undo, with all that follows it, until the next {@link
   * #commit} or {@link #sync}. It survives the end of this process, however that comes.
   *
   * @throws StaleEpochException when somebody else has opened the store since
   */
  void write(long epoch, List<Change> batch) throws IOException;

  /** Makes durable what was written. */
  void sync() throws IOException;

  /** A request that is over, with its tasks. */
  Optional<RequestSnapshot> finishedRequest(String id) throws IOException;

  /** Requests without their tasks, newest first. */
  Page requests(RequestQuery query) throws IOException;

  /** The request that last had to do with this key. */
  Optional<String> latestRequest(TaskKey key) throws IOException;

  /** An attempt that is over. */
  Optional<Change.ExecutionEnded> execution(String name) throws IOException;

  /** What is known to fail among these. */
  List<RememberedFailure> failures(Collection<TaskKey> keys, Instant now) throws IOException;

  /** Removes history that ended before, and failures that have expired; returns how much. */
  int prune(long epoch, Instant before, Instant now) throws IOException;

  @Override
  void close() throws IOException;

  /**
   * What to list.
   *
   * @param instance null for all
   * @param kind null for both
   * @param pageToken of the page before; empty for the first
   */
  record RequestQuery(
      @Nullable String instance,
      @Nullable WorkKind kind,
      boolean activeOnly,
      int pageSize,
      String pageToken) {}

  /**
   * Some of the answer.
   *
   * @param nextPageToken empty when nothing follows
   */
  record Page(List<RequestSnapshot> requests, String nextPageToken) {}

  /** Somebody else has the store. */
  final class StaleEpochException extends IOException {
    private static final long serialVersionUID = 1L;

    StaleEpochException(long mine, long current) {
      super("epoch " + mine + " is over; the task store was opened again as " + current);
    }
  }
}
