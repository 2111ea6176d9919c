package build.thresher.deploy.config;

/** The configuration is wrong. The message names the key, the value and what to write instead. */
public final class ConfigException extends Exception {
  private static final long serialVersionUID = 1L;

  public ConfigException(String message) {
    super(message);
  }
}
