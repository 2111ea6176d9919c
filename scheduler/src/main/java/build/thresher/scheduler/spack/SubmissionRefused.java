package build.thresher.scheduler.spack;

/** What was asked for cannot be accepted. The message may be sent to the client. */
public final class SubmissionRefused extends Exception {
  private static final long serialVersionUID = 1L;

  /** Whose turn it is now. */
  public enum Kind {
    /** The request is wrong. */
    INVALID,
    /** Blobs have to be uploaded first. */
    MISSING_BLOBS,
    UNKNOWN_INSTANCE,
    OVER_LIMIT
  }

  private final Kind kind;

  public SubmissionRefused(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
