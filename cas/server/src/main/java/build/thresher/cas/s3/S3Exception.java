package build.thresher.cas.s3;

/** A request that is refused, in S3's words. */
final class S3Exception extends Exception {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String code;

  /**
   * @param status of HTTP
   * @param code one of S3's error codes, which clients look at
   */
  S3Exception(int status, String code, String message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  static S3Exception noSuchKey(String key) {
    return new S3Exception(404, "NoSuchKey", "there is no " + key);
  }

  static S3Exception denied(String message) {
    return new S3Exception(403, "AccessDenied", message);
  }

  static S3Exception invalid(String message) {
    return new S3Exception(400, "InvalidRequest", message);
  }

  int status() {
    return status;
  }

  String code() {
    return code;
  }
}
