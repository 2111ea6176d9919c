package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Inline blobs that were seen in the store and whose record says that they were used this hour, as
 * far as they are remembered: who reads one need not look at its record. A forgotten one costs that
 * look. One that is remembered may be gone since, or never have been there where two names fall
 * together: whoever asks still looks for its bytes, and all that he may miss is to write down a
 * use. Any thread.
 */
final class LatelyUsed {
  /** A power of two; 2 MiB together. */
  private static final int SLOTS = 1 << 18;

  private static final long EPOCH_MIX = 0x9E3779B97F4A7C15L;
  private static final long SIZE_MIX = 0xC2B2AE3D27D4EB4FL;

  private final AtomicLongArray slots = new AtomicLongArray(SLOTS);

  /**
   * @param epoch that of the clock now; in another one the blob is not remembered
   */
  void add(Digest blob, int epoch) {
    slots.setOpaque(slot(blob), tag(blob, epoch));
  }

  boolean has(Digest blob, int epoch) {
    return slots.getOpaque(slot(blob)) == tag(blob, epoch);
  }

  private static int slot(Digest blob) {
    return (int) blob.hash0() & SLOTS - 1;
  }

  private static long tag(Digest blob, int epoch) {
    return blob.hash1() ^ epoch * EPOCH_MIX ^ blob.sizeBytes() * SIZE_MIX;
  }
}
