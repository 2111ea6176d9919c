package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * A task as one request wants it.
 *
 * @param name of the package, for people and for the history of durations; of the program that an
 *     action runs
 * @param dependsOn hashes of the tasks that must have succeeded before this one starts
 */
public record Definition(
    TaskKey key,
    String name,
    String version,
    ImmutableList<String> dependsOn,
    Requirements requirements,
    Work work) {

  public Definition {
    boolean agree =
        switch (work) {
          case SpackWork w -> requirements instanceof SpackRequirements;
          case ActionWork w -> requirements instanceof ActionRequirements;
        };
    if (!agree) {
      throw new IllegalArgumentException(key + ": work and requirements are of two kinds");
    }
  }

  /** The same task, which waits for these as well. */
  Definition waitingFor(Collection<Definition> others) {
    Set<String> hashes = new LinkedHashSet<>(dependsOn);
    others.forEach(other -> hashes.add(other.key().hash()));
    return new Definition(key, name, version, ImmutableList.copyOf(hashes), requirements, work);
  }

  /** True when a failure of the one says that the other would fail too. */
  boolean sameRunAs(Definition other) {
    return switch (work) {
      case SpackWork mine ->
          other.work instanceof SpackWork others
              && mine.inputs().equals(others.inputs())
              && requirements.equals(other.requirements);
      case ActionWork mine -> true; // the key names all that counts
    };
  }
}
