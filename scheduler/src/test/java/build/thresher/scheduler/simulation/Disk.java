package build.thresher.scheduler.simulation;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.store.TaskStore;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.Random;

/**
 * The task store on a disk that keeps what was synced. Of the batches that were written since, the
 * one that is being written when the power goes included, any number is there afterwards, the first
 * ones: how many, the writer cannot know.
 */
final class Disk {
  private final Opening opening;
  private TaskStore store;
  private final Queue<Batch> unsynced = new ArrayDeque<>();

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

  /** A batch goes to the disk's memory, behind those that are there. */
  void write(long epoch, List<Change> changes) {
    unsynced.add(new Batch(epoch, List.copyOf(changes)));
  }

  boolean isSynced() {
    return unsynced.isEmpty();
  }

  void sync() {
    keep(unsynced.size());
  }

  /**
   * The power is cut, or the sync failed.
   *
   * @return how many batches survived of those that were written since the last sync: the first
   */
  int lose(Random random) {
    int kept = random.nextInt(unsynced.size() + 1);
    keep(kept);
    unsynced.clear();
    return kept;
  }

  private void keep(int count) {
    for (int i = 0; i < count; i++) {
      Batch batch = unsynced.remove();
      try {
        store.commit(batch.epoch, batch.changes);
      } catch (IOException e) {
        throw new AssertionError("the epoch changed under a running server", e);
      }
    }
  }
}
