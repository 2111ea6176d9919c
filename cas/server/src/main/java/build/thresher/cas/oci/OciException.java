package build.thresher.cas.oci;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** A request that is refused, in the words of the OCI Distribution Specification. */
final class OciException extends Exception {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final Code code;

  /** Error codes of the specification, which clients look at. */
  enum Code {
    BLOB_UNKNOWN,
    BLOB_UPLOAD_INVALID,
    BLOB_UPLOAD_UNKNOWN,
    DIGEST_INVALID,
    MANIFEST_BLOB_UNKNOWN,
    MANIFEST_INVALID,
    MANIFEST_UNKNOWN,
    NAME_INVALID,
    NAME_UNKNOWN,
    SIZE_INVALID,
    UNAUTHORIZED,
    DENIED,
    UNSUPPORTED,
    TOOMANYREQUESTS,
    /** Not of the specification: what registries say beside it when they cannot answer. */
    UNAVAILABLE,
    UNKNOWN
  }

  /**
   * @param status of HTTP
   */
  OciException(int status, Code code, String message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  static OciException unknown(Code code, String message) {
    return new OciException(404, code, message);
  }

  static OciException invalid(Code code, String message) {
    return new OciException(400, code, message);
  }

  static OciException denied(String message) {
    return new OciException(403, Code.DENIED, message);
  }

  /** Of a method that this address does not have. */
  static OciException method() {
    return new OciException(
        405, Code.UNSUPPORTED, "nothing is deleted or changed here; the farm prunes by its rules");
  }

  int status() {
    return status;
  }

  Code code() {
    return code;
  }

  /** The body of the answer. */
  String json() {
    ObjectNode body = ImageManifest.JSON.createObjectNode();
    body.putArray("errors").addObject().put("code", code.name()).put("message", getMessage());
    return body.toString();
  }
}
