/**
 * The rules of the farm: who gets which task when, and what becomes of it.
 *
 * <p>Read in this order: {@link build.thresher.scheduler.core.Event} (what can happen), {@link
 * build.thresher.scheduler.core.Core} (what follows from it), {@code ReadyQueue} (who is next),
 * {@code Lifecycle} (how a task moves). Nothing here does I/O, reads a clock, starts a thread or
 * makes up a name.
 */
@NullMarked
package build.thresher.scheduler.core;

import org.jspecify.annotations.NullMarked;
