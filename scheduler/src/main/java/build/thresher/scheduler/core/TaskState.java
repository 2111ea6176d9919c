package build.thresher.scheduler.core;

/** Where a task is in its life: Waiting → Ready → Leased → Publishing → one of the four ends. */
public enum TaskState {
  /** Waits for tasks that it depends on. */
  WAITING,
  /** Waits for an executor. */
  READY,
  /** An executor has it. */
  LEASED,
  /** Built; its result is being checked and made visible. */
  PUBLISHING,
  SUCCEEDED,
  FAILED,
  /** Something that it depends on failed, or its request stopped at another failure. */
  SKIPPED,
  CANCELLED;

  public boolean isDone() {
    return compareTo(SUCCEEDED) >= 0;
  }
}
