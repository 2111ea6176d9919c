/**
 * The rules of the farm: who gets which task when, and what becomes of it.
 *
 * <p>Read in this order: {@link build.thresher.scheduler.core.Event} (what can happen), {@link
 * build.thresher.scheduler.core.Core} (who deals with it), {@code Admission} (requests come in),
 * {@code ReadyQueue} and {@code Handout} (who gets what), {@code Attempts} and {@code Results}
 * (what becomes of it), {@code Lifecycle} (how tasks end, and what that does to others). Nothing
 * here does I/O, reads a clock, starts a thread or makes up a name.
 */
@NullMarked
package build.thresher.scheduler.core;

import org.jspecify.annotations.NullMarked;
