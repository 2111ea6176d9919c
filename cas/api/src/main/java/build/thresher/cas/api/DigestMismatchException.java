package build.thresher.cas.api;

/** The bytes of an upload are not what its digest says. Permanent: the same upload fails again. */
public final class DigestMismatchException extends StoreException {
  private static final long serialVersionUID = 1L;

  public DigestMismatchException(Digest expected, String actual) {
    super("the upload named " + expected + " but its bytes are " + actual, null);
  }
}
