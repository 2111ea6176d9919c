package build.thresher.scheduler.core;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The result of an action that ran to its end; whatever its exit code, that is a success of the
 * task. The core reads nothing but the exit code.
 */
public final class ActionOutputs implements Outputs {
  private final byte[] actionResult;
  private final int exitCode;

  /**
   * @param actionResult a serialised {@code build.bazel.remote.execution.v2.ActionResult}; it now
   *     belongs to this object
   * @param exitCode the one that stands in it
   */
  public ActionOutputs(byte[] actionResult, int exitCode) {
    this.actionResult = actionResult;
    this.exitCode = exitCode;
  }

  /** The serialised message; not to be changed. */
  public byte[] actionResult() {
    return actionResult;
  }

  public int exitCode() {
    return exitCode;
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return o instanceof ActionOutputs other
        && exitCode == other.exitCode
        && Arrays.equals(actionResult, other.actionResult);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(actionResult);
  }

  @Override
  public String toString() {
    return "exit code " + exitCode + ", " + actionResult.length + " bytes";
  }
}
