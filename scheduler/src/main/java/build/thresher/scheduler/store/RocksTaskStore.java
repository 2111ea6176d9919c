package build.thresher.scheduler.store;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.store.v1.DefinitionRecord;
import build.thresher.store.v1.DurationRecord;
import build.thresher.store.v1.ExecutionRecord;
import build.thresher.store.v1.FailureRecord;
import build.thresher.store.v1.HoldRecord;
import build.thresher.store.v1.RequestRecord;
import build.thresher.store.v1.TaskRecord;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Longs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * The task store on an embedded RocksDB: one batch is one write of its journal, which is synced in
 * the order in which it was written. One process has the store at a time; the epoch shuts out what
 * this process opened before.
 */
public final class RocksTaskStore implements TaskStore {
  private static final int MAX_PAGE = 1000;
  private static final byte[] FORMAT = "thresher tasks 1".getBytes(StandardCharsets.UTF_8);

  private final Keys keys;
  private final Rocks db;
  private final ChangeWriter writer;
  private volatile long epoch;

  private RocksTaskStore(Keys keys, Rocks db) {
    this.keys = keys;
    this.db = db;
    this.writer = new ChangeWriter(keys);
  }

  /**
   * Opens or makes the store.
   *
   * @param pool name of the pool of executors that the scheduler serves
   */
  public static RocksTaskStore at(Path directory, String pool) throws IOException {
    Rocks db = Rocks.at(directory);
    try {
      checkFormat(db, directory);
      return new RocksTaskStore(new Keys(pool), db);
    } catch (IOException e) {
      db.close();
      throw e;
    }
  }

  /** What an older version cannot read, a newer one says by another format. */
  private static void checkFormat(Rocks db, Path directory) throws IOException {
    byte[] found = db.get(Keys.FORMAT);
    if (found == null) {
      db.write("begin", writes -> writes.put(Keys.FORMAT, FORMAT));
    } else if (!Arrays.equals(found, FORMAT)) {
      throw new IOException(
          "the task store in "
              + directory
              + " has the format '"
              + new String(found, StandardCharsets.UTF_8)
              + "', and this version reads '"
              + new String(FORMAT, StandardCharsets.UTF_8)
              + "'; open it with the version that wrote it");
    }
  }

  @Override
  public long open() throws IOException {
    db.mend();
    byte[] last = db.get(keys.epoch());
    long next = last == null ? 1 : Longs.fromByteArray(last) + 1;
    db.write("take the store over", writes -> writes.put(keys.epoch(), Longs.toByteArray(next)));
    epoch = next;
    return next;
  }

  @Override
  public LiveState loadLive() throws IOException {
    ImmutableList.Builder<LiveState.LiveTask> tasks = ImmutableList.builder();
    db.scan(
        keys.all("task"),
        (key, value) -> {
          TaskSnapshot task = Records.task(TaskRecord.parseFrom(value));
          byte[] definition = db.get(keys.definition(task.id()));
          if (definition == null) {
            throw new IOException("task " + task.id() + " has no definition in the task store");
          }
          tasks.add(
              new LiveState.LiveTask(Definitions.of(DefinitionRecord.parseFrom(definition)), task));
          return true;
        });
    ImmutableList.Builder<LiveState.LiveRequest> requests = ImmutableList.builder();
    db.scan(
        keys.all("live"),
        (key, value) -> {
          RequestRecord request = RequestRecord.parseFrom(value);
          requests.add(
              new LiveState.LiveRequest(
                  Records.head(request), holds(request.getRequest().getRequestId())));
          return true;
        });
    ImmutableMap.Builder<String, Double> durations = ImmutableMap.builder();
    db.scan(
        keys.all("duration"),
        (key, value) -> {
          durations.put(keys.durationName(key), DurationRecord.parseFrom(value).getSeconds());
          return true;
        });
    return new LiveState(epoch, requests.build(), tasks.build(), durations.buildOrThrow());
  }

  private ImmutableList<LiveState.LiveHold> holds(String request) throws IOException {
    ImmutableList.Builder<LiveState.LiveHold> holds = ImmutableList.builder();
    db.scan(
        keys.holds(request),
        (key, value) -> {
          HoldRecord hold = HoldRecord.parseFrom(value);
          holds.add(
              new LiveState.LiveHold(
                  Integer.parseInt(Keys.lastPart(key), 16),
                  hold.getTaskId(),
                  hold.hasOwn() ? Definitions.of(hold.getOwn()) : null,
                  hold.hasEnded() ? Records.task(hold.getEnded()) : null));
          return true;
        });
    return holds.build();
  }

  @Override
  public void commit(long epoch, List<Change> batch) throws IOException {
    requireEpoch(epoch);
    db.write(whatIs(batch), filler(batch));
  }

  @Override
  public void write(long epoch, List<Change> batch) throws IOException {
    requireEpoch(epoch);
    db.writeUnsynced(whatIs(batch), filler(batch));
  }

  @Override
  public void sync() throws IOException {
    db.sync();
  }

  private static String whatIs(List<Change> batch) {
    return "store a batch of " + batch.size() + " records";
  }

  private Rocks.Filler filler(List<Change> batch) {
    return writes -> {
      for (Change change : batch) {
        writer.write(writes, change);
      }
    };
  }

  private void requireEpoch(long mine) throws StaleEpochException {
    if (mine != epoch) {
      throw new StaleEpochException(mine, epoch);
    }
  }

  @Override
  public Optional<RequestSnapshot> finishedRequest(String id) throws IOException {
    byte[] record = db.get(keys.finished(id));
    if (record == null) {
      return Optional.empty();
    }
    ImmutableList.Builder<TaskSnapshot> tasks = ImmutableList.builder();
    for (LiveState.LiveHold hold : holds(id)) {
      if (hold.ended() != null) {
        tasks.add(hold.ended());
      }
    }
    return Optional.of(Records.request(RequestRecord.parseFrom(record), tasks.build()));
  }

  @Override
  public Page requests(RequestQuery query) throws IOException {
    int size = query.pageSize() <= 0 ? 100 : Math.min(query.pageSize(), MAX_PAGE);
    List<RequestSnapshot> found = new ArrayList<>();
    String[] next = {""};
    byte[] prefix = keys.all("listed");
    byte[] from = query.pageToken().isEmpty() ? prefix : keys.key("listed", query.pageToken());
    db.scan(
        prefix,
        from,
        (key, value) -> {
          if (found.size() == size) {
            next[0] =
                new String(key, prefix.length, key.length - prefix.length, StandardCharsets.UTF_8);
            return false;
          }
          String id = Keys.lastPart(key);
          String instance = new String(value, StandardCharsets.UTF_8);
          if (query.instance() == null || query.instance().equals(instance)) {
            byte[] record = db.get(keys.live(id));
            if (record == null && !query.activeOnly()) {
              record = db.get(keys.finished(id));
            }
            if (record != null) {
              RequestSnapshot request =
                  Records.request(RequestRecord.parseFrom(record), ImmutableList.of());
              if (query.kind() == null || query.kind() == request.head().kind()) {
                found.add(request);
              }
            }
          }
          return true;
        });
    return new Page(found, next[0]);
  }

  @Override
  public Optional<String> latestRequest(TaskKey key) throws IOException {
    return Optional.ofNullable(db.get(keys.latest(key)))
        .map(id -> new String(id, StandardCharsets.UTF_8));
  }

  @Override
  public Optional<Change.ExecutionEnded> execution(String name) throws IOException {
    byte[] record = db.get(keys.execution(name));
    return record == null
        ? Optional.empty()
        : Optional.of(Records.execution(ExecutionRecord.parseFrom(record)));
  }

  @Override
  public List<RememberedFailure> failures(Collection<TaskKey> wanted, Instant now)
      throws IOException {
    List<RememberedFailure> found = new ArrayList<>();
    for (TaskKey key : wanted) {
      db.scan(
          keys.failures(key),
          (k, value) -> {
            RememberedFailure failure = Records.failure(FailureRecord.parseFrom(value));
            if (failure.expires().isAfter(now)) {
              found.add(failure);
            }
            return true;
          });
    }
    return found;
  }

  @Override
  public int prune(long epoch, Instant before, Instant now) throws IOException {
    requireEpoch(epoch);
    return Pruning.run(db, keys, before, now);
  }

  @Override
  public void close() {
    db.close();
  }
}
