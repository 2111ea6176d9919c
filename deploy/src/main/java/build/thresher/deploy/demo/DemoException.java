package build.thresher.deploy.demo;

/** The demo could not go on. The message says why and what to do. */
public final class DemoException extends Exception {
  private static final long serialVersionUID = 1L;

  public DemoException(String message) {
    super(message);
  }
}
