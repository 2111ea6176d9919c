package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableList;

/**
 * Why a task did not succeed.
 *
 * @param message a sentence for people
 * @param remembered true when the failure store answered and nothing was run
 * @param missingBlobs what the execution needed and the store no longer has
 */
public record Failure(
    FailureClass failureClass,
    String message,
    boolean remembered,
    ImmutableList<Digest> missingBlobs) {

  public Failure(FailureClass failureClass, String message) {
    this(failureClass, message, false, ImmutableList.of());
  }

  /** True when another attempt with the same inputs would end the same. */
  boolean isRemembered() {
    return failureClass.isRemembered() && missingBlobs.isEmpty(); // those can be uploaded again
  }

  Failure says(String other) {
    return new Failure(failureClass, other, remembered, missingBlobs);
  }

  Failure asRemembered() {
    return new Failure(failureClass, message, true, missingBlobs);
  }
}
