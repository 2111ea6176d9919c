package build.thresher.cas.api;

/** The store does not hold the blob. Permanent until somebody uploads it. */
public final class BlobNotFoundException extends StoreException {
  private static final long serialVersionUID = 1L;
  private final transient Digest digest;

  public BlobNotFoundException(Digest digest) {
    super("blob " + digest + " is not in the store", null);
    this.digest = digest;
  }

  public Digest digest() {
    return digest;
  }
}
