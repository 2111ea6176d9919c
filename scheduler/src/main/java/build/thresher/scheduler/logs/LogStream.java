package build.thresher.scheduler.logs;

/** What an execution writes: a Spack build has one log, an action has two streams. */
public enum LogStream {
  BUILD,
  STDOUT,
  STDERR
}
