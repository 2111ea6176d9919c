package build.thresher.scheduler.store;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.store.v1.DefinitionRecord;
import build.thresher.store.v1.ExecutionRecord;
import build.thresher.store.v1.FailureRecord;
import build.thresher.store.v1.RequestRecord;
import build.thresher.store.v1.TaskRecord;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import com.google.common.collect.ImmutableList;
import java.io.IOException;

/** What stands in the task store, should something else have written it. */
class RecordsFuzzTest extends HostileBytes {

  private interface Reading {
    void run() throws IOException;
  }

  /** Refusals are those that {@code Wire} documents, and protobuf's own. */
  private static void refusedOr(Reading reading) {
    try {
      reading.run();
    } catch (IOException | IllegalArgumentException e) {
      return;
    }
  }

  @Hostile
  void aTaskIsRefusedOrReadAsItIsWritten(byte[] record) {
    refusedOr(
        () -> {
          var task = Records.task(TaskRecord.parseFrom(record));
          assertEquals(Records.task(task), Records.task(Records.task(Records.task(task))));
        });
  }

  @Hostile
  void aRequestIsRefusedOrReadAsItIsWritten(byte[] record) {
    refusedOr(
        () -> {
          var request = Records.request(RequestRecord.parseFrom(record), ImmutableList.of());
          var written = Records.request(request.head(), request.state(), request.finished());
          assertEquals(request, Records.request(written, ImmutableList.of()));
        });
  }

  @Hostile
  void anExecutionIsRefusedOrReadAsItIsWritten(byte[] record) {
    refusedOr(
        () -> {
          var ended = Records.execution(ExecutionRecord.parseFrom(record));
          var written = Records.execution(ended);
          assertEquals(written, Records.execution(Records.execution(written)));
        });
  }

  @Hostile
  void aFailureIsRefusedOrReadAsItIsWritten(byte[] record) {
    refusedOr(
        () -> {
          var failure = Records.failure(FailureRecord.parseFrom(record));
          assertEquals(failure, Records.failure(Records.failure(failure)));
        });
  }

  @Hostile
  void aDefinitionIsRefusedOrReadAsItIsWritten(byte[] record) {
    refusedOr(
        () -> {
          var definition = Definitions.of(DefinitionRecord.parseFrom(record));
          assertEquals(definition, Definitions.of(Definitions.record(definition)));
        });
  }
}
