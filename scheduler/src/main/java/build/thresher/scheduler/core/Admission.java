package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Takes requests in: joins them to tasks that are live, makes new ones, and settles at once what is
 * known to fail.
 */
final class Admission {
  private final CoreOptions options;
  private final TaskGraph graph;
  private final ReadyQueue ready;
  private final ExecutorPool pool;
  private final Lifecycle life;

  Admission(
      CoreOptions options, TaskGraph graph, ReadyQueue ready, ExecutorPool pool, Lifecycle life) {
    this.options = options;
    this.graph = graph;
    this.ready = ready;
    this.pool = pool;
    this.life = life;
  }

  Reply submit(Event.Submit event, Now now, Journal journal) {
    RequestHead head = withCached(event.head(), event);
    if (life.requests().containsKey(head.id())) {
      return new Reply.Accepted(head.id());
    }
    String refusal = overLimit(ClientName.of(head.client()).user(), event.tasks().size());
    if (refusal != null) {
      return new Reply.OverLimit(refusal);
    }
    Request request = life.add(head);
    journal.store(new Change.RequestPut(head));
    Memory memory = new Memory(event, pool);
    Map<String, Definition> lost = new LinkedHashMap<>();
    List<Task> created = new ArrayList<>();
    for (Definition definition : event.tasks()) {
      if (!event.published().contains(definition.key().hash())) {
        join(request, definition, memory, lost, created, now, journal);
      }
    }
    life.begin(created, journal);
    lost.values().stream()
        .findFirst()
        .ifPresent(d -> life.stopIfFailFast(request, d.name(), now, journal));
    life.finishIfOver(request, now, journal);
    return new Reply.Accepted(head.id());
  }

  private void join(
      Request request,
      Definition wanted,
      Memory memory,
      Map<String, Definition> lost,
      List<Task> created,
      Now now,
      Journal journal) {
    Hold hold = new Hold(request, request.holds.size(), wanted);
    request.holds.put(wanted.key().hash(), hold);
    request.opened();
    String dependency =
        wanted.dependsOn().stream().filter(lost::containsKey).findFirst().orElse(null);
    RememberedFailure remembered = memory.of(wanted);
    if (dependency != null || remembered != null) {
      TaskState state = remembered != null ? TaskState.FAILED : TaskState.SKIPPED;
      lost.put(wanted.key().hash(), wanted);
      Ending ending = remembered == null ? Ending.NONE : Memory.ending(remembered);
      life.settle(hold, TaskSnapshot.unborn(wanted, state, ending, now.wall()), journal);
      return;
    }
    Task task = graph.find(wanted.key());
    if (task == null) {
      task = life.create(wanted, journal);
      created.add(task);
    } else {
      // Those that are new tell of themselves when they begin.
      String joins = request.head.id();
      journal.effect(new Effect.TaskChanged(ImmutableSet.of(joins), task.snapshot()));
    }
    life.attach(hold, task, journal);
    if (task.state == TaskState.READY) {
      ready.add(task); // its new holder's client may have a better turn
    }
  }

  private static RequestHead withCached(RequestHead head, Event.Submit event) {
    return new RequestHead(
        head.id(),
        head.instance(),
        head.client(),
        head.kind(),
        head.options(),
        head.roots(),
        ImmutableList.<String>builder().addAll(head.cached()).addAll(event.published()).build(),
        head.externals(),
        head.created());
  }

  private @Nullable String overLimit(String user, int more) {
    int own = life.openTasks().of(user) + more;
    if (own > options.maxTasksPerClient()) {
      return user
          + " would have "
          + own
          + " unfinished tasks; at most "
          + options.maxTasksPerClient()
          + " are accepted; wait for some to end";
    }
    int all = life.openTasks().all() + more;
    if (all > options.maxTasks()) {
      return "the farm would have "
          + all
          + " unfinished tasks; at most "
          + options.maxTasks()
          + " are accepted; wait for some to end";
    }
    return null;
  }
}
