package build.thresher.scheduler.core;

/**
 * The name under which somebody asks, as it is stored and shown: a user, and where his tool says so
 * the run of it that asks.
 *
 * @param invocation empty for none
 */
public record ClientName(String user, String invocation) {
  /** Where nobody says who asks. */
  public static final String ANONYMOUS = "anonymous";

  private static final String BETWEEN = " · ";

  /** Of a text that was stored or that {@link #text} gave. */
  public static ClientName of(String text) {
    int end = text.indexOf(BETWEEN);
    return end < 0
        ? new ClientName(text, "")
        : new ClientName(text.substring(0, end), text.substring(end + BETWEEN.length()));
  }

  public String text() {
    return invocation.isEmpty() ? user : user + BETWEEN + invocation;
  }
}
