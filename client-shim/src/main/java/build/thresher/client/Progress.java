package build.thresher.client;

import build.thresher.v1.Request;
import build.thresher.v1.Task;

/**
 * Shows how a request goes on. Called by one thread, the one that reads the stream, notes excepted;
 * tasks come as whole states, repeated ones included.
 */
interface Progress extends AutoCloseable {
  /**
   * The request as accepted, or as it stands after joining it; may come again after a reconnect.
   */
  void accepted(Request request);

  void task(Task task);

  /** The request as it ended. */
  void finished(Request request);

  /** A line that is no state: a broken connection, an upload, a line of a log. From any thread. */
  void note(String line);

  /** Gives the terminal back. */
  @Override
  void close();
}
