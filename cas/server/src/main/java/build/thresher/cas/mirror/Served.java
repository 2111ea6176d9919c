package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;

/** What a mirror answers to a path. Immutable under its ETag. */
public sealed interface Served {

  String mediaType();

  /** Names the bytes; its hash is a strong ETag. */
  Digest digest();

  /** True when the path always names these bytes. */
  boolean immutable();

  /** A small document, in memory. */
  @SuppressWarnings("ArrayRecordComponent") // shared and never changed; compared by digest
  record Document(Digest digest, byte[] bytes, String mediaType, boolean immutable)
      implements Served {
    static Document of(byte[] bytes, String mediaType, boolean immutable) {
      return new Document(Digest.of(bytes), bytes, mediaType, immutable);
    }
  }

  /** A blob of the store. */
  record StoredBlob(Digest digest, String mediaType) implements Served {
    @Override
    public boolean immutable() {
      return true;
    }
  }
}
