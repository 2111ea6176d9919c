package build.thresher.scheduler.core;

/**
 * Why a task did not succeed.
 *
 * @param message a sentence for people
 * @param remembered true when the failure store answered and nothing was run
 */
public record Failure(FailureClass failureClass, String message, boolean remembered) {
  public Failure(FailureClass failureClass, String message) {
    this(failureClass, message, false);
  }
}
