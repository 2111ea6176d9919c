package build.thresher.scheduler.core;

/** What kind of thing went wrong; it alone decides what happens next. */
public enum FailureClass {
  /** The recipe's own fault. Remembered. */
  RECIPE(false, true),
  /** What was sent is wrong. Remembered. */
  INPUT(false, true),
  /** The farm's own fault: executor lost, disk full, killed by a signal. */
  INFRASTRUCTURE(true, false),
  /** Tried again with twice the memory. */
  OUT_OF_MEMORY(true, false),
  TIMEOUT(false, false),
  /** A source that could not be fetched. */
  SOURCE(true, false),
  /** No executor could run it. */
  UNSCHEDULABLE(false, false);

  private final boolean retried;
  private final boolean remembered;

  FailureClass(boolean retried, boolean remembered) {
    this.retried = retried;
    this.remembered = remembered;
  }

  /** True when another attempt may end differently. */
  public boolean isRetried() {
    return retried;
  }

  /** True when another attempt with the same inputs would end the same. */
  public boolean isRemembered() {
    return remembered;
  }
}
