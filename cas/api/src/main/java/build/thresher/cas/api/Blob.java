package build.thresher.cas.api;

/**
 * A small blob in memory. The bytes are shared, not copied: nobody changes them. Compare digests.
 */
@SuppressWarnings("ArrayRecordComponent") // a copy of every blob would be paid at every border
public record Blob(Digest digest, byte[] bytes) {

  /** A blob named by its own content. */
  public static Blob of(byte[] bytes) {
    return new Blob(Digest.of(bytes), bytes);
  }
}
