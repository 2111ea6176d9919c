package build.thresher.scheduler.reapi;

/** Names of the live outputs of an execution, as ByteStream resources. */
final class LiveStreams {
  static final String STDOUT = "stdout";
  static final String STDERR = "stderr";

  private LiveStreams() {}

  /** {@code <instance>/operations/<id>/streams/<stream>}. */
  static String name(String execution, String stream) {
    return execution + "/streams/" + stream;
  }
}
