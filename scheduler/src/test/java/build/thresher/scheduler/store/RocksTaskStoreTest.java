package build.thresher.scheduler.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.WorkKind;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class RocksTaskStoreTest extends TaskStoreContract {
  @Override
  TaskStore create(Path directory) throws IOException {
    return RocksTaskStore.at(directory, "default");
  }

  @Test
  void whatWasCommittedIsThereAfterOpeningAgainAndTheEpochGrows() throws Exception {
    long first;
    RequestHead head =
        new RequestHead(
            "r",
            "default",
            "alice",
            WorkKind.SPACK,
            RequestHead.Options.NONE,
            ImmutableList.of(),
            ImmutableList.of(),
            ImmutableList.of(),
            Instant.EPOCH);
    try (TaskStore store = create(directory)) {
      first = store.open();
      store.commit(first, List.of(new Change.RequestPut(head)));
    }
    try (TaskStore store = create(directory)) {
      assertTrue(store.open() > first);
      assertEquals(head, store.loadLive().requests().get(0).head());
    }
  }

  @Test
  void aStoreOfAnotherFormatIsRefusedByName() throws Exception {
    try (TaskStore store = create(directory)) {
      store.open();
    }
    try (Rocks db = Rocks.at(directory)) {
      byte[] later = "thresher tasks 99".getBytes(StandardCharsets.UTF_8);
      db.write("change the format", writes -> writes.put(Keys.FORMAT, later));
    }
    IOException refused = assertThrows(IOException.class, () -> create(directory));
    String message = String.valueOf(refused.getMessage());
    assertTrue(message.contains("'thresher tasks 99'"), message);
    assertTrue(message.contains(directory.toString()), message);
  }
}
