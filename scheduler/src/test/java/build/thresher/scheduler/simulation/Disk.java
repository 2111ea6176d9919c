package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.store.TaskStore;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * The task store on a disk that keeps what was synced. Of the batch that is being written when the
 * power goes, all is there afterwards or nothing is: which of the two, the writer cannot know.
 */
final class Disk {
  private final Opening opening;
  private TaskStore store;
  private @Nullable Batch unsynced;

  private record Batch(long epoch, List<Change> changes) {}

  /** Opens what the store of before has left, which is closed. */
  interface Opening {
    TaskStore open() throws IOException;
  }

  /** Something that is read from the store. */
  interface Question<T> {
    T ask(TaskStore store) throws IOException;
  }

  Disk(Opening opening) {
    this.opening = opening;
    this.store = opened();
  }

  private TaskStore opened() {
    try {
      return opening.open();
    } catch (IOException e) {
      throw new AssertionError("the store does not open", e);
    }
  }

  /** Another server takes the store over. */
  void takeOver() {
    close();
    store = opened();
    ask(TaskStore::open);
  }

  void close() {
    try {
      store.close();
    } catch (IOException e) {
      throw new AssertionError("the store does not close", e);
    }
  }

  <T> T ask(Question<T> question) {
    try {
      return question.ask(store);
    } catch (IOException e) {
      throw new AssertionError("the store does not answer", e);
    }
  }

  void write(long epoch, List<Change> changes) {
    unsynced = new Batch(epoch, List.copyOf(changes));
  }

  void sync() {
    Batch batch = unsynced;
    unsynced = null;
    if (batch != null) {
      try {
        store.commit(batch.epoch, batch.changes);
      } catch (IOException e) {
        throw new AssertionError("the epoch changed under a running server", e);
      }
    }
  }

  /** The power is cut, or the sync failed: returns what survived although nobody was told. */
  List<Change> lose(Random random) {
    Batch batch = unsynced;
    if (batch != null && random.nextBoolean()) {
      sync();
      return batch.changes;
    }
    unsynced = null;
    return List.of();
  }
}
