/**
 * A farm in virtual time: the scheduler's own core, with its store, network, executors and clients
 * replaced by parts that fail as a seed says.
 *
 * <p>{@link build.thresher.scheduler.simulation.Simulation} puts the parts together; {@link
 * build.thresher.scheduler.simulation.Rules} says what must hold after every batch. One seed gives
 * one history, so a failure is repeated by its seed.
 */
@NullMarked
package build.thresher.scheduler.simulation;

import org.jspecify.annotations.NullMarked;
