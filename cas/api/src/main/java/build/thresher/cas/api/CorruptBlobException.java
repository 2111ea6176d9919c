package build.thresher.cas.api;

/**
 * The stored bytes are not those that were written. The store no longer reports the blob; the next
 * upload repairs it.
 */
public final class CorruptBlobException extends StoreException {
  private static final long serialVersionUID = 1L;

  public CorruptBlobException(Digest digest, String what) {
    super("blob " + digest + " is damaged in the store: " + what, null);
  }
}
