package build.thresher.scheduler.core;

/**
 * A process that builds.
 *
 * @param name stable over restarts
 * @param incarnation new at each start
 */
public record ExecutorId(String name, String incarnation) {}
