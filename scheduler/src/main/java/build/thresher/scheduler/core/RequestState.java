package build.thresher.scheduler.core;

/** How a request stands. */
public enum RequestState {
  ACTIVE,
  /** Every root is published. */
  SUCCEEDED,
  FAILED,
  CANCELLED
}
