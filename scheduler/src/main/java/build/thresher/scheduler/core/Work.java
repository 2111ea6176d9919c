package build.thresher.scheduler.core;

/** What the executor will be told to run; the core carries it and hardly looks inside. */
public sealed interface Work permits SpackWork, ActionWork {}
