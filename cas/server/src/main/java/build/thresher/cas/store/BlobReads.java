package build.thresher.cas.store;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.store.BlobIndex.Stored;
import build.thresher.cas.store.BlobRecord.Representation;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reading blobs: every byte is checked before it is given out, and a blob that fails is
 * quarantined. Any thread.
 */
final class BlobReads {
  private final BlobIndex index;
  private final LargeBlobFiles files;
  private final LastUse lastUse;
  private final Quarantine quarantine;

  BlobReads(BlobIndex index, LargeBlobFiles files, LastUse lastUse, Quarantine quarantine) {
    this.index = index;
    this.files = files;
    this.lastUse = lastUse;
    this.quarantine = quarantine;
  }

  InputStream read(Digest digest, long offset, long length) throws IOException {
    if (offset < 0 || offset > digest.sizeBytes() || length < 0) {
      throw new IllegalArgumentException(
          "range " + offset + "+" + length + " is not inside blob " + digest);
    }
    if (digest.equals(Digest.EMPTY)) {
      return InputStream.nullInputStream();
    }
    Stored stored = stored(List.of(digest)).getFirst();
    if (stored == null) {
      throw new BlobNotFoundException(digest);
    }
    return open(digest, stored, offset, Math.min(length, digest.sizeBytes() - offset));
  }

  private InputStream open(Digest digest, Stored stored, long offset, long length)
      throws IOException {
    try {
      return switch (stored.record().representation()) {
        case INLINE -> new ByteArrayInputStream(inline(digest, stored, offset, length));
        case FILE ->
            new CheckedFileStream(
                files.read(digest, index, offset, length),
                BlobIndex.fileChecksums(digest, stored.value()),
                digest.sizeBytes(),
                offset,
                length,
                e -> quarantine.take(digest, e));
      };
    } catch (DamagedException e) {
      throw quarantine.take(digest, e);
    }
  }

  private byte[] inline(Digest digest, Stored stored, long offset, long length) throws IOException {
    try {
      return BlobIndex.inline(digest, stored.value(), (int) offset, (int) length);
    } catch (DamagedException e) {
      throw quarantine.take(digest, e);
    }
  }

  /** Whole blobs, asked for together. */
  List<Blob> readAll(List<Digest> digests) throws IOException {
    List<Blob> blobs = new ArrayList<>(digests.size());
    List<@Nullable Stored> all = stored(digests);
    for (int i = 0; i < digests.size(); i++) {
      Digest digest = digests.get(i);
      Stored stored = all.get(i);
      if (digest.isEmpty()) {
        blobs.add(Blob.of(new byte[0]));
      } else if (stored == null) {
        throw new BlobNotFoundException(digest);
      } else {
        blobs.add(new Blob(digest, whole(digest, stored)));
      }
    }
    return blobs;
  }

  /** Their records are looked at where it is not known that they were used this hour. */
  private List<@Nullable Stored> stored(List<Digest> digests) throws IOException {
    int epoch = lastUse.epoch();
    LatelyUsed lately = lastUse.lately();
    List<@Nullable Stored> all = index.stored(digests, digest -> lately.has(digest, epoch), epoch);
    List<Digest> used = new ArrayList<>();
    for (int i = 0; i < digests.size(); i++) {
      Stored stored = all.get(i);
      if (stored != null && stored.record().lastUseEpoch() < epoch) {
        used.add(digests.get(i));
      } else if (stored != null && stored.record().representation() == Representation.INLINE) {
        lately.add(digests.get(i), epoch);
      }
    }
    lastUse.touch(used);
    return all;
  }

  private byte[] whole(Digest digest, Stored stored) throws IOException {
    if (stored.record().representation() == Representation.INLINE) {
      return inline(digest, stored, 0, digest.sizeBytes());
    }
    try (InputStream in = open(digest, stored, 0, digest.sizeBytes())) {
      return in.readAllBytes();
    }
  }
}
