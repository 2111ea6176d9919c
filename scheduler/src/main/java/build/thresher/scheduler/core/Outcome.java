package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;

/**
 * What follows from an event.
 *
 * @param changes to store before anything else happens, after those of the events before
 * @param mustLast whether they have to be on disk by then; a power cut may undo others, the last
 *     ones first, and nothing that anybody was promised is broken
 */
public record Outcome(
    Reply reply, ImmutableList<Change> changes, boolean mustLast, ImmutableList<Effect> effects) {}
