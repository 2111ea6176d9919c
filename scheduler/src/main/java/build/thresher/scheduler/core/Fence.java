package build.thresher.scheduler.core;

/**
 * The right to finish an execution. Granted with the lease; a later attempt voids it.
 *
 * @param execution durable, unique name {@code <instance>/operations/<id>}
 * @param epoch of the task store when the lease was granted
 * @param attempt counts the leases of the task from 1
 */
public record Fence(String execution, long epoch, int attempt) {}
