package build.thresher.cas.api;

/** A writer of a blob whose digest is known when its last byte is there. */
public interface NamingBlobWriter extends BlobWriter {

  /** Ends the bytes and names them. Nothing is stored before {@link #commit}. */
  Digest name();
}
