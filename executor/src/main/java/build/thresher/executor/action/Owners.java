package build.thresher.executor.action;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Whom actions run as: all as one, or, where no sandbox keeps them apart, each as somebody else. An
 * executor that is root writes and reads where an action may; who could put a link in its way
 * meanwhile would have it write and read anywhere. Thread-safe.
 */
public final class Owners {
  private final Optional<Owner> shared;
  private final Set<Owner> free = new LinkedHashSet<>();
  private final Map<Path, Owner> taken = new HashMap<>();

  /** Of each directory: what is made in it for one user serves the same one again. */
  private final Map<Path, Owner> last = new HashMap<>();

  private Owners(Optional<Owner> shared, List<Owner> apart) {
    this.shared = shared;
    free.addAll(apart);
  }

  /** One for all. */
  public static Owners shared(Owner owner) {
    return new Owners(Optional.of(owner), List.of());
  }

  /**
   * One for each.
   *
   * @param owners as many as there may be actions that are not cleared up
   */
  public static Owners apart(List<Owner> owners) {
    return new Owners(Optional.empty(), owners);
  }

  /** The user of the action of that directory, until it is given back. */
  synchronized Owner take(Path directory) throws IOException {
    Owner mine = shared.orElse(taken.get(directory));
    if (mine != null) {
      return mine;
    }
    Owner before = last.get(directory);
    Owner owner =
        before != null && free.contains(before)
            ? before
            : free.stream()
                .findFirst()
                .orElseThrow(() -> new IOException("there are more actions than users for them"));
    free.remove(owner);
    taken.put(directory, owner);
    last.put(directory, owner);
    return owner;
  }

  /** Nothing of that action is left. */
  synchronized void giveBack(Path directory) {
    Owner owner = taken.remove(directory);
    if (owner != null) {
      free.add(owner);
    }
  }
}
