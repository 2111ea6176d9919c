package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Collects what one event leads to. A task that changed several times is stored and told once, as
 * it stands at the end.
 */
final class Journal {
  private final ImmutableList.Builder<Change> changes = ImmutableList.builder();
  private final ImmutableList.Builder<Effect> effects = ImmutableList.builder();
  private final Set<Task> toStore = new LinkedHashSet<>();
  private final Set<Task> toTell = new LinkedHashSet<>();
  private boolean mustLast;

  void store(Change change) {
    mustLast = true;
    changes.add(change);
  }

  void effect(Effect effect) {
    effects.add(effect);
  }

  /** The task's stored state is no longer true. */
  void changed(Task task) {
    mustLast = true;
    moved(task);
  }

  /** The same, where it does no harm when a power cut makes the stored state true again. */
  void moved(Task task) {
    toStore.add(task);
    toTell.add(task);
  }

  /** Something changed that people like to see and that a restart may lose. */
  void shown(Task task) {
    toTell.add(task);
  }

  /** The task is gone; what it was is told here and now. */
  void ended(Task task, TaskSnapshot last) {
    toStore.remove(task);
    toTell.remove(task);
    store(new Change.TaskGone(task.id));
    tell(task, last);
  }

  private void tell(Task task, TaskSnapshot snapshot) {
    if (!task.holds.isEmpty()) {
      effects.add(new Effect.TaskChanged(task.requestIds(), snapshot));
    }
  }

  Outcome close(Reply reply) {
    for (Task task : toStore) {
      changes.add(new Change.TaskPut(task.snapshot()));
    }
    ImmutableList<Effect> later = effects.build();
    ImmutableList.Builder<Effect> all = ImmutableList.builder();
    for (Task task : toTell) {
      if (!task.holds.isEmpty()) {
        all.add(new Effect.TaskChanged(task.requestIds(), task.snapshot()));
      }
    }
    return new Outcome(reply, changes.build(), mustLast, all.addAll(later).build());
  }
}
