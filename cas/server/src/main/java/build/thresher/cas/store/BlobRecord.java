package build.thresher.cas.store;

/**
 * What the metadata column family says of a blob; small, because existence checks read it.
 *
 * @param lastUseEpoch when it was last used, in coarse steps since 1970
 */
record BlobRecord(Representation representation, long sizeBytes, int lastUseEpoch) {

  /** Where the bytes are. More will come; a number is never used again. */
  enum Representation {
    INLINE(1),
    FILE(2);

    final byte tag;

    Representation(int tag) {
      this.tag = (byte) tag;
    }
  }

  BlobRecord usedIn(int epoch) {
    return new BlobRecord(representation, sizeBytes, epoch);
  }
}
