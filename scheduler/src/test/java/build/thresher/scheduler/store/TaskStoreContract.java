package build.thresher.scheduler.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.scheduler.core.ActionOutputs;
import build.thresher.scheduler.core.ActionRequirements;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Environment;
import build.thresher.scheduler.core.Execution;
import build.thresher.scheduler.core.ExecutorId;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.Inputs;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.PlatformProperty;
import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.core.SpackRequirements;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import build.thresher.scheduler.core.TaskState;
import build.thresher.scheduler.core.Usage;
import build.thresher.scheduler.core.WorkKind;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.ImmutableSortedSet;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What every task store does. */
abstract class TaskStoreContract {
  private static final Instant T0 = Instant.parse("2026-01-01T00:00:00Z");
  private static final TaskKey KEY = new TaskKey("default", "a".repeat(32));
  private static final Inputs INPUTS = new Inputs(digest("c"), digest("r"), digest("f"));
  private static final Fence FENCE = new Fence("default/operations/x1", 1, 1);
  private static final Environment ENVIRONMENT =
      new Environment(
          "linux", "debian12", "zen4", "bubblewrap", ImmutableSortedMap.of("gcc@12", "f00d"));
  private static final Execution EXECUTION =
      new Execution(FENCE, new ExecutorId("e", "e1"), "alice", ENVIRONMENT, T0.plusSeconds(1));
  private static final SpackOutputs OUTPUTS =
      new SpackOutputs(digest("archive"), "tar", digest("spec"), "json");
  private static final Usage USAGE =
      new Usage(Duration.ofMillis(1500), Duration.ofSeconds(2), Duration.ofSeconds(3), 4);

  @TempDir Path directory = Path.of("");

  abstract TaskStore create(Path directory) throws Exception;

  private static Digest digest(String text) {
    return Digest.of(text.getBytes(StandardCharsets.UTF_8));
  }

  private static RequestHead head(String id, Instant created) {
    return new RequestHead(
        id,
        "default",
        "alice",
        WorkKind.SPACK,
        new RequestHead.Options(true, false, 3),
        ImmutableList.of(KEY.hash()),
        ImmutableList.of("cached"),
        ImmutableList.of("external"),
        created);
  }

  private static Definition definition(String recipes) {
    return new Definition(
        KEY,
        "zlib",
        "1.3",
        ImmutableList.of("b".repeat(32)),
        new SpackRequirements(
            "linux",
            "debian12",
            new SpackRequirements.Target("zen4", ImmutableSet.of("avx2", "avx512f")),
            ImmutableSortedSet.of(new SpackRequirements.External("gcc", "12", "/usr")),
            ImmutableMap.of("pool", "gpu")),
        new SpackWork(
            new Inputs(digest("c"), digest(recipes), digest("f")),
            digest("dag"),
            digest("sources"),
            4,
            Duration.ofMinutes(5)));
  }

  private static TaskSnapshot task(
      TaskState state, @Nullable Execution execution, Ending ending, @Nullable Instant finished) {
    return new TaskSnapshot(
        7,
        KEY,
        "zlib",
        "1.3",
        state,
        execution == null ? 0 : 1,
        execution == null ? 0 : 1,
        1 << 20,
        "why",
        execution,
        ending,
        finished,
        ImmutableList.of("b".repeat(32)));
  }

  @Test
  void whatIsLiveIsLoadedAsItWasStored() throws Exception {
    try (TaskStore store = create(directory)) {
      long epoch = store.open();
      TaskSnapshot publishing =
          task(
              TaskState.PUBLISHING, EXECUTION, Ending.success(OUTPUTS, digest("log"), USAGE), null);
      Change.HoldPut own = new Change.HoldPut("s", 0, KEY, 7, definition("other"));
      store.commit(
          epoch,
          List.of(
              new Change.RequestPut(head("r", T0)),
              new Change.RequestPut(head("s", T0.plusSeconds(1))),
              new Change.TaskDefined(7, definition("r")),
              new Change.HoldPut("r", 0, KEY, 7, null),
              own,
              new Change.TaskPut(task(TaskState.READY, null, Ending.NONE, null)),
              new Change.TaskPut(publishing),
              new Change.DurationPut("zlib", 2.5)));
      LiveState live = store.loadLive();
      assertEquals(epoch, live.epoch());
      assertEquals(ImmutableMap.of("zlib", 2.5), live.durations());
      assertEquals(List.of(new LiveState.LiveTask(definition("r"), publishing)), live.tasks());
      assertEquals(
          List.of(
              new LiveState.LiveRequest(
                  head("r", T0), ImmutableList.of(new LiveState.LiveHold(0, 7, null, null))),
              new LiveState.LiveRequest(
                  head("s", T0.plusSeconds(1)),
                  ImmutableList.of(new LiveState.LiveHold(0, 7, definition("other"), null)))),
          live.requests());
    }
  }

  @Test
  void aFinishedRequestIsHistoryAndNoLongerLive() throws Exception {
    try (TaskStore store = create(directory)) {
      long epoch = store.open();
      finish(store, epoch, "r", T0);
      assertTrue(store.loadLive().requests().isEmpty());
      assertTrue(store.loadLive().tasks().isEmpty());
      RequestSnapshot finished = store.finishedRequest("r").orElseThrow();
      assertEquals(RequestState.SUCCEEDED, finished.state());
      assertEquals(head("r", T0), finished.head());
      assertEquals(TaskState.SUCCEEDED, finished.tasks().get(0).state());
      assertEquals(Optional.of("r"), store.latestRequest(KEY));
      assertEquals(OUTPUTS, store.execution(FENCE.execution()).orElseThrow().ending().outputs());
      assertEquals(EXECUTION, store.execution(FENCE.execution()).orElseThrow().execution());
    }
  }

  private static void finish(TaskStore store, long epoch, String id, Instant at) throws Exception {
    Ending ending = Ending.success(OUTPUTS, digest("log"), USAGE);
    store.commit(
        epoch,
        List.of(
            new Change.RequestPut(head(id, at)),
            new Change.TaskDefined(7, definition("r")),
            new Change.HoldPut(id, 0, KEY, 7, null),
            new Change.TaskPut(task(TaskState.LEASED, EXECUTION, Ending.NONE, null))));
    store.commit(
        epoch,
        List.of(
            new Change.ExecutionEnded(KEY, EXECUTION, ending, at),
            new Change.TaskGone(7),
            new Change.HoldEnded(id, 0, task(TaskState.SUCCEEDED, EXECUTION, ending, at)),
            new Change.RequestFinished(head(id, at), RequestState.SUCCEEDED, at)));
  }

  @Test
  void actionsAndTheirResultsAreKeptAsTheyWere() throws Exception {
    try (TaskStore store = create(directory)) {
      long epoch = store.open();
      ImmutableList<PlatformProperty> platform =
          ImmutableList.of(
              new PlatformProperty("OSFamily", "Linux"), new PlatformProperty("gpu", "a100"));
      TaskKey key = TaskKey.action("default", digest("action"));
      Definition definition =
          new Definition(
              key,
              "cc",
              "",
              ImmutableList.of(),
              ActionRequirements.of(platform),
              new ActionWork(digest("action"), Duration.ofMinutes(1), platform, true, true, T0));
      Ending ending = Ending.success(new ActionOutputs(new byte[] {1, 2}, 3), digest("log"), USAGE);
      TaskSnapshot task =
          new TaskSnapshot(
              8,
              key,
              "cc",
              "",
              TaskState.PUBLISHING,
              1,
              1,
              0,
              "",
              EXECUTION,
              ending,
              null,
              ImmutableList.of());
      RequestHead head =
          new RequestHead(
              "a",
              "default",
              "bob",
              WorkKind.ACTION,
              RequestHead.Options.NONE,
              ImmutableList.of(key.hash()),
              ImmutableList.of(),
              ImmutableList.of(),
              T0);
      store.commit(
          epoch,
          List.of(
              new Change.RequestPut(head),
              new Change.TaskDefined(8, definition),
              new Change.HoldPut("a", 0, key, 8, null),
              new Change.TaskPut(task),
              new Change.ExecutionEnded(key, EXECUTION, ending, T0)));
      assertEquals(List.of(new LiveState.LiveTask(definition, task)), store.loadLive().tasks());
      assertEquals(head, store.loadLive().requests().get(0).head());
      assertEquals(ending, store.execution(FENCE.execution()).orElseThrow().ending());
      assertEquals(1, store.requests(ofKind(WorkKind.ACTION)).requests().size());
      assertEquals(0, store.requests(ofKind(WorkKind.SPACK)).requests().size());
    }
  }

  private static TaskStore.RequestQuery ofKind(WorkKind kind) {
    return new TaskStore.RequestQuery(null, kind, false, 0, "");
  }

  @Test
  void anOldEpochIsRefused() throws Exception {
    try (TaskStore store = create(directory)) {
      long first = store.open();
      long second = store.open();
      assertTrue(second > first);
      assertThrows(
          TaskStore.StaleEpochException.class,
          () -> store.commit(first, List.of(new Change.RequestPut(head("r", T0)))));
      assertThrows(
          TaskStore.StaleEpochException.class,
          () -> store.write(first, List.of(new Change.RequestPut(head("r", T0)))));
      assertTrue(store.loadLive().requests().isEmpty());
      store.commit(second, List.of(new Change.RequestPut(head("r", T0))));
      store.write(second, List.of(new Change.RequestPut(head("s", T0))));
      store.sync();
      assertEquals(2, store.loadLive().requests().size());
    }
  }

  @Test
  void requestsAreListedNewestFirstPageByPage() throws Exception {
    try (TaskStore store = create(directory)) {
      long epoch = store.open();
      for (int i = 0; i < 5; i++) {
        store.commit(epoch, List.of(new Change.RequestPut(head("r" + i, T0.plusSeconds(i)))));
      }
      finish(store, epoch, "r2", T0.plusSeconds(2));
      List<String> seen = new ArrayList<>();
      String token = "";
      do {
        TaskStore.Page page =
            store.requests(new TaskStore.RequestQuery("default", null, false, 2, token));
        page.requests().forEach(r -> seen.add(r.head().id()));
        token = page.nextPageToken();
      } while (!token.isEmpty());
      assertEquals(List.of("r4", "r3", "r2", "r1", "r0"), seen);
      assertEquals(
          List.of("r4", "r3", "r1", "r0"),
          store.requests(new TaskStore.RequestQuery(null, null, true, 0, "")).requests().stream()
              .map(r -> r.head().id())
              .toList());
    }
  }

  @Test
  void failuresAreFoundByKeyUntilTheyExpire() throws Exception {
    try (TaskStore store = create(directory)) {
      long epoch = store.open();
      RememberedFailure failure =
          new RememberedFailure(
              KEY,
              INPUTS,
              "linux",
              new Failure(FailureClass.RECIPE, "it broke"),
              digest("log"),
              FENCE.execution(),
              T0.plusSeconds(60));
      store.commit(epoch, List.of(new Change.FailurePut(failure)));
      assertEquals(List.of(failure), store.failures(List.of(KEY), T0));
      assertEquals(List.of(), store.failures(List.of(KEY), T0.plusSeconds(61)));
      assertEquals(List.of(), store.failures(List.of(new TaskKey("other", KEY.hash())), T0));
      RememberedFailure again =
          new RememberedFailure(
              KEY, INPUTS, "linux", failure.failure(), null, FENCE.execution(), T0.plusSeconds(90));
      store.commit(epoch, List.of(new Change.FailurePut(again)));
      assertEquals(List.of(again), store.failures(List.of(KEY), T0));
    }
  }

  @Test
  void pruningForgetsWhatIsOldAndKeepsTheRest() throws Exception {
    try (TaskStore store = create(directory)) {
      long epoch = store.open();
      finish(store, epoch, "old", T0);
      store.commit(epoch, List.of(new Change.RequestPut(head("live", T0))));
      assertEquals(0, store.prune(epoch, T0.minusSeconds(1), T0));
      assertTrue(store.prune(epoch, T0.plusSeconds(1), T0) > 0);
      assertTrue(store.finishedRequest("old").isEmpty());
      assertTrue(store.execution(FENCE.execution()).isEmpty());
      assertTrue(store.latestRequest(KEY).isEmpty());
      assertEquals(1, store.loadLive().requests().size());
    }
  }
}
