package build.thresher.scheduler.core;

/**
 * A process that builds.
 *
 * @param name stable over restarts
 * @param incarnation new at each start
 */
public record ExecutorId(String name, String incarnation) {

  /** True for another start of the same executor. */
  boolean isOtherLifeOf(ExecutorId other) {
    return name.equals(other.name) && !incarnation.equals(other.incarnation);
  }
}
