package build.thresher.scheduler.store;

import build.thresher.cas.api.SyncedDirectories;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
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
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.rocksdb.CompressionType;
import org.rocksdb.Options;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * The task store on an embedded RocksDB: one batch is one synced write of its journal.
 *
 * <p>RocksDB locks its directory, so one process has the store at a time; the epoch shuts out what
 * this process opened before.
 */
public final class RocksTaskStore implements TaskStore {
  static {
    RocksDB.loadLibrary();
  }

  private static final String REQUEST = "request";
  private static final String EXECUTION = "execution";
  private static final int MAX_PAGE = 1000;

  private final Keys keys;
  private final Options options;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final RocksDB db;
  private volatile long epoch;

  private RocksTaskStore(Keys keys, Options options, RocksDB db) {
    this.keys = keys;
    this.options = options;
    this.db = db;
  }

  /**
   * Opens or makes the store.
   *
   * @param pool name of the pool of executors that the scheduler serves
   */
  public static RocksTaskStore at(Path directory, String pool) throws IOException {
    SyncedDirectories.create(directory);
    Options options =
        new Options()
            .setCreateIfMissing(true)
            .setCompressionType(CompressionType.LZ4_COMPRESSION)
            .setParanoidChecks(true)
            // A kill leaves a torn last record: everything acknowledged lies before it.
            .setWalRecoveryMode(WALRecoveryMode.PointInTimeRecovery)
            .setWriteBufferSize(16L << 20)
            .setMaxTotalWalSize(64L << 20)
            .setKeepLogFileNum(4);
    try {
      RocksDB db = RocksDB.open(options, directory.toString());
      return new RocksTaskStore(new Keys(pool), options, db);
    } catch (RocksDBException e) {
      options.close();
      throw new IOException(
          "the task store in " + directory + " does not open: " + e.getMessage(), e);
    }
  }

  @Override
  public long open() throws IOException {
    try {
      byte[] last = db.get(keys.epoch());
      long next = last == null ? 1 : Longs.fromByteArray(last) + 1;
      db.put(synced, keys.epoch(), Longs.toByteArray(next));
      epoch = next;
      return next;
    } catch (RocksDBException e) {
      throw failed("take the store over", e);
    }
  }

  @Override
  public LiveState loadLive() throws IOException {
    ImmutableList.Builder<LiveState.LiveTask> tasks = ImmutableList.builder();
    scan(
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
    scan(
        keys.all("live"),
        (key, value) -> {
          RequestRecord request = RequestRecord.parseFrom(value);
          requests.add(
              new LiveState.LiveRequest(
                  Records.head(request), holds(request.getRequest().getRequestId())));
          return true;
        });
    ImmutableMap.Builder<String, Double> durations = ImmutableMap.builder();
    scan(
        keys.all("duration"),
        (key, value) -> {
          durations.put(keys.durationName(key), DurationRecord.parseFrom(value).getSeconds());
          return true;
        });
    return new LiveState(epoch, requests.build(), tasks.build(), durations.buildOrThrow());
  }

  private ImmutableList<LiveState.LiveHold> holds(String request) throws IOException {
    ImmutableList.Builder<LiveState.LiveHold> holds = ImmutableList.builder();
    scan(
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
    if (epoch != this.epoch) {
      throw new StaleEpochException(epoch, this.epoch);
    }
    try (WriteBatch writes = new WriteBatch()) {
      for (Change change : batch) {
        add(writes, change);
      }
      db.write(synced, writes);
    } catch (RocksDBException e) {
      throw failed("store a batch of " + batch.size() + " records", e);
    }
  }

  private void add(WriteBatch writes, Change change) throws RocksDBException {
    switch (change) {
      case Change.RequestPut c -> {
        byte[] record = Records.request(c.head(), RequestState.ACTIVE, null).toByteArray();
        writes.put(keys.live(c.head().id()), record);
        writes.put(
            keys.listed(c.head().created(), c.head().id()),
            c.head().instance().getBytes(StandardCharsets.UTF_8));
      }
      case Change.RequestFinished c -> {
        String id = c.head().id();
        writes.delete(keys.live(id));
        writes.put(
            keys.finished(id), Records.request(c.head(), c.state(), c.finished()).toByteArray());
        writes.put(keys.aged(c.finished(), REQUEST, id), new byte[0]);
        for (String root : c.head().roots()) {
          writes.put(
              keys.latest(new TaskKey(c.head().instance(), root)),
              id.getBytes(StandardCharsets.UTF_8));
        }
      }
      case Change.HoldPut c -> {
        HoldRecord.Builder hold = HoldRecord.newBuilder().setTaskId(c.taskId());
        if (c.own() != null) {
          hold.setOwn(Definitions.record(c.own()));
        }
        writes.put(keys.hold(c.requestId(), c.position()), hold.build().toByteArray());
      }
      case Change.HoldEnded c -> {
        HoldRecord hold = HoldRecord.newBuilder().setEnded(Records.task(c.task())).build();
        writes.put(keys.hold(c.requestId(), c.position()), hold.toByteArray());
        writes.put(keys.latest(c.task().key()), c.requestId().getBytes(StandardCharsets.UTF_8));
      }
      case Change.TaskDefined c ->
          writes.put(keys.definition(c.taskId()), Definitions.record(c.definition()).toByteArray());
      case Change.TaskPut c ->
          writes.put(keys.task(c.task().id()), Records.task(c.task()).toByteArray());
      case Change.TaskGone c -> {
        writes.delete(keys.task(c.taskId()));
        writes.delete(keys.definition(c.taskId()));
      }
      case Change.ExecutionEnded c -> {
        String name = c.execution().fence().execution();
        writes.put(keys.execution(name), Records.execution(c).toByteArray());
        writes.put(
            keys.aged(c.finished(), EXECUTION, name.replace('/', ':')),
            name.getBytes(StandardCharsets.UTF_8));
      }
      case Change.FailurePut c ->
          writes.put(keys.failure(c.failure()), Records.failure(c.failure()).toByteArray());
      case Change.DurationPut c ->
          writes.put(
              keys.duration(c.name()),
              DurationRecord.newBuilder().setSeconds(c.seconds()).build().toByteArray());
    }
  }

  @Override
  public Optional<RequestSnapshot> finishedRequest(String id) throws IOException {
    byte[] record = get(keys.finished(id));
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
    scan(
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
    return Optional.ofNullable(get(keys.latest(key)))
        .map(id -> new String(id, StandardCharsets.UTF_8));
  }

  @Override
  public Optional<Change.ExecutionEnded> execution(String name) throws IOException {
    byte[] record = get(keys.execution(name));
    return record == null
        ? Optional.empty()
        : Optional.of(Records.execution(ExecutionRecord.parseFrom(record)));
  }

  @Override
  public List<RememberedFailure> failures(Collection<TaskKey> wanted, Instant now)
      throws IOException {
    List<RememberedFailure> found = new ArrayList<>();
    for (TaskKey key : wanted) {
      scan(
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
    if (epoch != this.epoch) {
      throw new StaleEpochException(epoch, this.epoch);
    }
    int[] removed = {0};
    byte[] end = keys.agedBefore(before);
    try (WriteBatch writes = new WriteBatch()) {
      scan(
          keys.all("aged"),
          (key, value) -> {
            if (Arrays.compareUnsigned(key, end) >= 0) {
              return false;
            }
            removed[0]++;
            writes.delete(key);
            if (value.length > 0) {
              writes.delete(keys.execution(new String(value, StandardCharsets.UTF_8)));
            } else {
              forget(Keys.lastPart(key), writes);
            }
            return true;
          });
      scan(
          keys.all("failure"),
          (key, value) -> {
            if (!Records.failure(FailureRecord.parseFrom(value)).expires().isAfter(now)) {
              removed[0]++;
              writes.delete(key);
            }
            return true;
          });
      db.write(synced, writes);
    } catch (RocksDBException e) {
      throw failed("forget old history", e);
    }
    return removed[0];
  }

  private void forget(String request, WriteBatch writes) throws IOException, RocksDBException {
    byte[] record = get(keys.finished(request));
    if (record == null) {
      return;
    }
    RequestSnapshot was = Records.request(RequestRecord.parseFrom(record), ImmutableList.of());
    writes.delete(keys.finished(request));
    writes.delete(keys.listed(was.head().created(), request));
    for (String root : was.head().roots()) {
      forgetLatest(new TaskKey(was.head().instance(), root), request, writes);
    }
    scan(
        keys.holds(request),
        (key, value) -> {
          HoldRecord hold = HoldRecord.parseFrom(value);
          writes.delete(key);
          if (hold.hasEnded()) {
            forgetLatest(Records.task(hold.getEnded()).key(), request, writes);
          }
          return true;
        });
  }

  private void forgetLatest(TaskKey key, String request, WriteBatch writes)
      throws IOException, RocksDBException {
    if (latestRequest(key).filter(request::equals).isPresent()) {
      writes.delete(keys.latest(key));
    }
  }

  @Override
  public void close() {
    db.close();
    synced.close();
    options.close();
  }

  /** Reads one record; false ends the scan. */
  private interface Visitor {
    boolean visit(byte[] key, byte[] value) throws IOException, RocksDBException;
  }

  private void scan(byte[] prefix, Visitor visitor) throws IOException {
    scan(prefix, prefix, visitor);
  }

  private void scan(byte[] prefix, byte[] from, Visitor visitor) throws IOException {
    byte[] end = prefix.clone();
    end[end.length - 1]++; // prefixes end in a separator, which is never the last byte value
    try (Slice bound = new Slice(end);
        ReadOptions read = new ReadOptions().setIterateUpperBound(bound);
        RocksIterator it = db.newIterator(read)) {
      for (it.seek(from); it.isValid(); it.next()) {
        if (!visitor.visit(it.key(), it.value())) {
          break;
        }
      }
      it.status();
    } catch (RocksDBException e) {
      throw failed("read", e);
    } catch (InvalidProtocolBufferException e) {
      throw new IOException("a record of the task store is damaged: " + e.getMessage(), e);
    }
  }

  private byte @org.jspecify.annotations.Nullable [] get(byte[] key) throws IOException {
    try {
      return db.get(key);
    } catch (RocksDBException e) {
      throw failed("read", e);
    }
  }

  private static IOException failed(String what, RocksDBException e) {
    return new IOException("the task store could not " + what + ": " + e.getMessage(), e);
  }
}
