package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;

/**
 * A task as one request wants it.
 *
 * @param name of the package, for people and for the history of durations
 * @param dependsOn hashes of the tasks that must have succeeded before this one starts
 */
public record Definition(
    TaskKey key,
    String name,
    String version,
    ImmutableList<String> dependsOn,
    Requirements requirements,
    Inputs inputs,
    Work work) {

  /** True when a failure of the one says that the other would fail too. */
  boolean sameRunAs(Definition other) {
    return inputs.equals(other.inputs) && requirements.equals(other.requirements);
  }
}
