package build.thresher.scheduler.core;

/** What an execution that ran to its end left in the store. */
public sealed interface Outputs permits SpackOutputs, ActionOutputs {}
