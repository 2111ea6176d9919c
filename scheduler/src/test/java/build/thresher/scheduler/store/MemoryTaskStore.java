package build.thresher.scheduler.store;

import build.thresher.scheduler.core.Change;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.LiveState;
import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.RequestSnapshot;
import build.thresher.scheduler.core.RequestState;
import build.thresher.scheduler.core.TaskKey;
import build.thresher.scheduler.core.TaskSnapshot;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A task store that forgets at the end of the process, for the model test. One thread at a time.
 */
public final class MemoryTaskStore implements TaskStore {
  private static final Keys KEYS = new Keys("memory");

  private long epoch;
  private final Map<String, RequestHead> live = new TreeMap<>();
  private final Map<String, RequestSnapshot> finished = new LinkedHashMap<>();
  private final Map<String, TreeMap<Integer, LiveState.LiveHold>> holds = new LinkedHashMap<>();
  private final Map<Long, Definition> definitions = new LinkedHashMap<>();
  private final Map<Long, TaskSnapshot> tasks = new TreeMap<>();
  private final Map<TaskKey, String> latest = new LinkedHashMap<>();
  private final Map<String, Change.ExecutionEnded> executions = new LinkedHashMap<>();

  /** By work and executor: what fails again takes the place of what failed before. */
  private final Map<String, RememberedFailure> failures = new TreeMap<>();

  private final Map<String, Double> durations = new TreeMap<>();

  @Override
  public long open() {
    return ++epoch;
  }

  @Override
  public LiveState loadLive() {
    ImmutableList.Builder<LiveState.LiveRequest> requests = ImmutableList.builder();
    live.forEach(
        (id, head) ->
            requests.add(
                new LiveState.LiveRequest(
                    head, ImmutableList.copyOf(holds.getOrDefault(id, new TreeMap<>()).values()))));
    ImmutableList.Builder<LiveState.LiveTask> loaded = ImmutableList.builder();
    tasks.forEach(
        (id, task) ->
            loaded.add(new LiveState.LiveTask(Objects.requireNonNull(definitions.get(id)), task)));
    return new LiveState(epoch, requests.build(), loaded.build(), ImmutableMap.copyOf(durations));
  }

  @Override
  public void commit(long mine, List<Change> batch) throws IOException {
    if (mine != epoch) {
      throw new StaleEpochException(mine, epoch);
    }
    batch.forEach(this::apply);
  }

  @Override
  public void write(long mine, List<Change> batch) throws IOException {
    commit(mine, batch);
  }

  @Override
  public void sync() {}

  private void apply(Change change) {
    switch (change) {
      case Change.RequestPut c -> live.put(c.head().id(), c.head());
      case Change.RequestFinished c -> {
        live.remove(c.head().id());
        finished.put(
            c.head().id(),
            new RequestSnapshot(c.head(), c.state(), c.finished(), ImmutableList.of()));
        c.head()
            .roots()
            .forEach(r -> latest.put(new TaskKey(c.head().instance(), r), c.head().id()));
      }
      case Change.HoldPut c ->
          holds
              .computeIfAbsent(c.requestId(), id -> new TreeMap<>())
              .put(c.position(), new LiveState.LiveHold(c.position(), c.taskId(), c.own(), null));
      case Change.HoldEnded c -> {
        holds
            .computeIfAbsent(c.requestId(), id -> new TreeMap<>())
            .put(c.position(), new LiveState.LiveHold(c.position(), 0, null, c.task()));
        latest.put(c.task().key(), c.requestId());
      }
      case Change.TaskDefined c -> definitions.put(c.taskId(), c.definition());
      case Change.TaskPut c -> tasks.put(c.task().id(), c.task());
      case Change.TaskGone c -> {
        tasks.remove(c.taskId());
        definitions.remove(c.taskId());
      }
      case Change.ExecutionEnded c -> executions.put(c.execution().fence().execution(), c);
      case Change.FailurePut c -> failures.put(text(KEYS.failure(c.failure())), c.failure());
      case Change.DurationPut c -> durations.put(c.name(), c.seconds());
    }
  }

  @Override
  public Optional<RequestSnapshot> finishedRequest(String id) {
    return Optional.ofNullable(finished.get(id))
        .map(
            r ->
                new RequestSnapshot(
                    r.head(),
                    r.state(),
                    r.finished(),
                    holds.getOrDefault(id, new TreeMap<>()).values().stream()
                        .map(LiveState.LiveHold::ended)
                        .filter(Objects::nonNull)
                        .collect(ImmutableList.toImmutableList())));
  }

  @Override
  public Page requests(RequestQuery query) {
    List<RequestSnapshot> all = new ArrayList<>();
    live.values()
        .forEach(
            h -> all.add(new RequestSnapshot(h, RequestState.ACTIVE, null, ImmutableList.of())));
    if (!query.activeOnly()) {
      all.addAll(finished.values());
    }
    all.removeIf(r -> query.instance() != null && !query.instance().equals(r.head().instance()));
    all.removeIf(r -> query.kind() != null && query.kind() != r.head().kind());
    all.sort(
        Comparator.comparing((RequestSnapshot r) -> r.head().created())
            .reversed()
            .thenComparing(r -> r.head().id()));
    int from = query.pageToken().isEmpty() ? 0 : Integer.parseInt(query.pageToken());
    int size = query.pageSize() <= 0 ? 100 : query.pageSize();
    int to = Math.min(all.size(), from + size);
    return new Page(all.subList(from, to), to < all.size() ? String.valueOf(to) : "");
  }

  @Override
  public Optional<String> latestRequest(TaskKey key) {
    return Optional.ofNullable(latest.get(key));
  }

  @Override
  public Optional<Change.ExecutionEnded> execution(String name) {
    return Optional.ofNullable(executions.get(name));
  }

  @Override
  public List<RememberedFailure> failures(Collection<TaskKey> keys, Instant now) {
    return keys.stream()
        .map(key -> text(KEYS.failures(key)))
        .flatMap(prefix -> failures.entrySet().stream().filter(f -> f.getKey().startsWith(prefix)))
        .map(Map.Entry::getValue)
        .filter(f -> f.expires().isAfter(now))
        .toList();
  }

  @Override
  public int prune(long mine, Instant before, Instant now) throws IOException {
    if (mine != epoch) {
      throw new StaleEpochException(mine, epoch);
    }
    int count = finished.size() + executions.size() + failures.size();
    finished
        .values()
        .removeIf(
            r -> {
              boolean old = r.finished() != null && r.finished().isBefore(before);
              if (old) {
                holds.remove(r.head().id());
                latest.values().removeIf(r.head().id()::equals);
              }
              return old;
            });
    executions.values().removeIf(e -> e.finished().isBefore(before));
    failures.values().removeIf(f -> !f.expires().isAfter(now));
    return count - finished.size() - executions.size() - failures.size();
  }

  @Override
  public void close() {}

  private static String text(byte[] key) {
    return new String(key, StandardCharsets.UTF_8);
  }
}
