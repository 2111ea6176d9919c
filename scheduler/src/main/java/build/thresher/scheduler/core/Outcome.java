package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;

/**
 * What follows from an event.
 *
 * @param changes to store before anything else happens
 */
public record Outcome(Reply reply, ImmutableList<Change> changes, ImmutableList<Effect> effects) {}
