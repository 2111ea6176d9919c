package build.thresher.scheduler.store;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.store.v1.DurationRecord;
import build.thresher.store.v1.HoldRecord;
import java.nio.charset.StandardCharsets;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/** From what the core says has changed to what is written where. Stateless. */
final class ChangeWriter {
  private final Keys keys;

  ChangeWriter(Keys keys) {
    this.keys = keys;
  }

  void write(WriteBatch writes, Change change) throws RocksDBException {
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
        writes.put(keys.agedRequest(c.finished(), id), new byte[0]);
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
        writes.put(keys.agedExecution(c.finished(), name), name.getBytes(StandardCharsets.UTF_8));
      }
      case Change.FailurePut c ->
          writes.put(keys.failure(c.failure()), Records.failure(c.failure()).toByteArray());
      case Change.DurationPut c ->
          writes.put(
              keys.duration(c.name()),
              DurationRecord.newBuilder().setSeconds(c.seconds()).build().toByteArray());
    }
  }
}
