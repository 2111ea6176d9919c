package build.thresher.scheduler.core;

/** What an executor must be and have. Tasks with equal requirements are matched together. */
public sealed interface Requirements permits SpackRequirements, ActionRequirements {}
