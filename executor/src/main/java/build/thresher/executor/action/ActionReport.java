package build.thresher.executor.action;

import build.bazel.remote.execution.v2.ActionResult;
import build.thresher.cas.api.Digest;
import build.thresher.executor.sandbox.SandboxResult;
import build.thresher.v1.FailureClass;
import java.util.Set;

/**
 * How an execution of an action ended.
 *
 * @param outcome what is told to the scheduler
 * @param usage what the command took
 */
public record ActionReport(Outcome outcome, SandboxResult.Usage usage) {

  /** An end. */
  public sealed interface Outcome {}

  /** It ran to its end, whatever the exit code; all that the result names is in the store. */
  public record Finished(ActionResult result) implements Outcome {}

  /**
   * It did not.
   *
   * @param kind whose fault it is
   * @param message a sentence for people
   * @param missing inputs that the store does not hold
   */
  public record Failed(FailureClass kind, String message, Set<Digest> missing) implements Outcome {}

  /** It was killed on request; nobody waits for its result. */
  public record Abandoned() implements Outcome {}

  /** Nothing was run. */
  public static ActionReport failed(FailureClass kind, String message) {
    return new ActionReport(new Failed(kind, message, Set.of()), SandboxResult.Usage.NONE);
  }
}
