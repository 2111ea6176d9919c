package build.thresher.executor.spack;

import build.thresher.cas.api.Digest;
import build.thresher.executor.outputs.PushedSpec;
import java.util.Set;

/** How a build ended. */
public sealed interface BuildOutcome {

  /**
   * It was built and what it pushed is in the store.
   *
   * @param pushed names of the archive and of the spec
   */
  record Built(PushedSpec pushed) implements BuildOutcome {}

  /**
   * It was not built.
   *
   * @param kind whose fault it is
   * @param message a sentence for people
   * @param missing what it needs and the store no longer has
   */
  record Failed(FailureKind kind, String message, Set<Digest> missing) implements BuildOutcome {
    public Failed {
      missing = Set.copyOf(missing);
    }

    /** Nothing was missing. */
    public Failed(FailureKind kind, String message) {
      this(kind, message, Set.of());
    }
  }

  /** It was killed on request; nobody waits for its result. */
  record Abandoned() implements BuildOutcome {}

  /** Whose fault a failure is; it decides whether the farm tries again. */
  enum FailureKind {
    /** The recipe's: it would fail again. */
    RECIPE,
    /** What was sent is wrong: it would fail again. */
    INPUT,
    /** The farm's. */
    INFRASTRUCTURE,
    /** It needs more memory than it was given. */
    OUT_OF_MEMORY,
    /** It took too long. */
    TIMEOUT,
    /** A source could not be had. */
    SOURCE
  }
}
