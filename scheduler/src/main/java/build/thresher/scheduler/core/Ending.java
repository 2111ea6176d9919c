package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import org.jspecify.annotations.Nullable;

/**
 * What an executor reported about an attempt: outputs or a failure, never both; neither for a task
 * that ended without being run.
 *
 * @param log the whole log
 */
public record Ending(
    @Nullable Outputs outputs, @Nullable Failure failure, @Nullable Digest log, Usage usage) {

  public static final Ending NONE = new Ending(null, null, null, Usage.NONE);

  public static Ending success(Outputs outputs, @Nullable Digest log, Usage usage) {
    return new Ending(outputs, null, log, usage);
  }

  public static Ending failure(Failure failure, @Nullable Digest log, Usage usage) {
    return new Ending(null, failure, log, usage);
  }

  public static Ending failure(Failure failure) {
    return failure(failure, null, Usage.NONE);
  }

  Ending withFailure(Failure failure) {
    return new Ending(null, failure, log, usage);
  }
}
