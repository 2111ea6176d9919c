package build.thresher.cas.store;

import build.thresher.cas.api.BlobStore.Statistics;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteOptions;

/**
 * The one thread that writes to the database. Writers hand in changes and wait; while one sync
 * runs, the changes of all others gather for the next, so a sync is shared by as many writers as
 * there are. A change that throws is undone alone; a failed write shuts the {@link WriteGate}.
 *
 * <p>The statistics are written in the same batch as the blobs that they count, so they are right
 * after a crash without a recount.
 */
final class GroupCommitter implements AutoCloseable {
  private static final int MAX_CHANGES = 4_096;
  private static final long MAX_BYTES = 16 << 20;
  private static final byte[] STATISTICS_KEY = "statistics".getBytes(StandardCharsets.UTF_8);

  private final Database database;
  private final Disk disk;
  private final WriteGate gate;
  private final LinkedBlockingQueue<Pending<?>> queue = new LinkedBlockingQueue<>();
  private final Thread thread;
  private final Object closeLock = new Object();
  private boolean closed;
  private volatile Statistics statistics;

  /** A decision and its writes, taken on the committer's thread. */
  interface Change<T> {
    T apply(Batch batch) throws IOException, RocksDBException;
  }

  /** The same where there is nothing to tell. */
  interface Mutation {
    void apply(Batch batch) throws IOException, RocksDBException;
  }

  private record Pending<T>(
      @Nullable Change<T> change, long weightBytes, CompletableFuture<T> done) {}

  GroupCommitter(Database database, Disk disk, WriteGate gate) throws IOException {
    this.database = database;
    this.disk = disk;
    this.gate = gate;
    this.statistics = load(database);
    this.thread = Thread.ofPlatform().name("blob-committer").start(this::run);
  }

  private static Statistics load(Database database) throws IOException {
    try {
      byte[] found = database.db.get(database.statistics, STATISTICS_KEY);
      if (found == null) {
        return new Statistics(0, 0);
      }
      ByteBuffer in = ByteBuffer.wrap(found);
      return new Statistics(in.getLong(), in.getLong());
    } catch (RocksDBException e) {
      throw new IOException("the statistics cannot be read: " + e.getMessage(), e);
    }
  }

  Statistics statistics() {
    return statistics;
  }

  /**
   * Applies a change; on return it is on disk.
   *
   * @param weightBytes about how much it writes, to bound a batch
   */
  <T> T commit(long weightBytes, Change<T> change) throws IOException {
    Pending<T> pending = enqueue(weightBytes, change);
    try {
      return pending.done.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof StoreUnavailableException unavailable) {
        throw new StoreUnavailableException(String.valueOf(unavailable.getMessage()), unavailable);
      }
      if (e.getCause() instanceof IOException io) {
        throw io;
      }
      throw new IOException("the change failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted; the change may or may not be on disk");
    }
  }

  void run(long weightBytes, Mutation mutation) throws IOException {
    commit(weightBytes, done(mutation));
  }

  private static Change<Boolean> done(Mutation mutation) {
    return batch -> {
      mutation.apply(batch);
      return true;
    };
  }

  /** Applies a change some time; nobody waits, and a crash may lose it. */
  void runLater(Mutation mutation) throws IOException {
    enqueue(0, done(mutation));
  }

  private <T> Pending<T> enqueue(long weightBytes, Change<T> change) throws IOException {
    gate.check();
    Pending<T> pending = new Pending<>(change, weightBytes, new CompletableFuture<>());
    synchronized (closeLock) {
      if (closed) {
        throw new StoreUnavailableException("the store is closed", null);
      }
      queue.add(pending);
    }
    return pending;
  }

  private void run() {
    try (WriteOptions synced = new WriteOptions().setSync(true)) {
      boolean last = false;
      while (!last) {
        List<Pending<?>> group = new ArrayList<>();
        long bytes = 0;
        Pending<?> next = queue.take();
        while (next != null) {
          if (next.change == null) {
            last = true;
            break;
          }
          group.add(next);
          bytes += next.weightBytes;
          next = group.size() < MAX_CHANGES && bytes < MAX_BYTES ? queue.poll() : null;
        }
        if (!group.isEmpty()) {
          commitGroup(group, synced);
        }
      }
    } catch (InterruptedException e) {
      // Nobody holds a reference to this thread but this class, which never interrupts it.
      throw new AssertionError(e);
    }
  }

  private void commitGroup(List<Pending<?>> group, WriteOptions synced) {
    List<Runnable> answers = new ArrayList<>(group.size());
    try (Batch batch = new Batch(database)) {
      gate.check();
      for (Pending<?> pending : group) {
        apply(pending, batch, answers);
      }
      Statistics after =
          new Statistics(
              statistics.blobs() + batch.addedBlobs(), statistics.bytes() + batch.addedBytes());
      if (!after.equals(statistics)) {
        ByteBuffer out = ByteBuffer.allocate(2 * Long.BYTES);
        batch.putStatistics(
            STATISTICS_KEY, out.putLong(after.blobs()).putLong(after.bytes()).array());
      }
      if (batch.changes.count() > 0) {
        disk.writeSynced(database.db, synced, batch.changes);
      }
      statistics = after;
      answers.forEach(Runnable::run);
    } catch (RocksDBException | RuntimeException e) {
      StoreUnavailableException told = gate.shut(e);
      group.forEach(pending -> pending.done.completeExceptionally(told));
    } catch (StoreUnavailableException e) {
      group.forEach(pending -> pending.done.completeExceptionally(e));
    }
  }

  private static <T> void apply(Pending<T> pending, Batch batch, List<Runnable> answers)
      throws RocksDBException {
    batch.save();
    try {
      Change<T> change = pending.change;
      if (change != null) {
        T result = change.apply(batch);
        answers.add(() -> pending.done.complete(result));
      }
    } catch (IOException | IllegalStateException e) {
      batch.rollBack();
      pending.done.completeExceptionally(e);
    }
  }

  /** Finishes what was handed in, then ends the thread. */
  @Override
  public void close() {
    synchronized (closeLock) {
      if (closed) {
        return;
      }
      closed = true;
      queue.add(new Pending<>(null, 0, new CompletableFuture<>()));
    }
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
