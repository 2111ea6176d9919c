package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import com.google.common.collect.ImmutableMap;
import java.util.Arrays;
import java.util.BitSet;

/**
 * What stands in an index, in the order of its text: enough to write the next one from that text.
 * Built by one thread, then unchanged.
 */
final class IndexEntries {
  private DagHash[] hashes;
  private int[] jsonBytes;
  private int[] references;
  private final BitSet offered = new BitSet();
  private int size;
  private ImmutableMap<DagHash, Integer> unlisted = ImmutableMap.of();

  IndexEntries(int expected) {
    hashes = new DagHash[expected];
    jsonBytes = new int[expected];
    references = new int[expected];
  }

  void add(DagHash hash, int ofJson, int referencesToIt, boolean isOffered) {
    if (size == hashes.length) {
      int more = Math.max(16, size + size / 8);
      hashes = Arrays.copyOf(hashes, more);
      jsonBytes = Arrays.copyOf(jsonBytes, more);
      references = Arrays.copyOf(references, more);
    }
    hashes[size] = hash;
    jsonBytes[size] = ofJson;
    references[size] = referencesToIt;
    if (isOffered) {
      offered.set(size);
    }
    size++;
  }

  /** How many entries depend on what is no entry: it may become one. */
  void setUnlisted(ImmutableMap<DagHash, Integer> counts) {
    unlisted = counts;
  }

  int size() {
    return size;
  }

  DagHash hash(int entry) {
    return hashes[entry];
  }

  int jsonBytes(int entry) {
    return jsonBytes[entry];
  }

  /** How many entries depend on it. */
  int references(int entry) {
    return references[entry];
  }

  /** Whether the mirror has its archive. */
  boolean offered(int entry) {
    return offered.get(entry);
  }

  ImmutableMap<DagHash, Integer> unlisted() {
    return unlisted;
  }

  /** Whether both are the same text. */
  boolean sameAs(IndexEntries other) {
    return size == other.size
        && Arrays.equals(references, 0, size, other.references, 0, size)
        && offered.equals(other.offered)
        && Arrays.equals(hashes, 0, size, other.hashes, 0, size);
  }

  /** Bytes of its text. */
  int textBytes(int entry) {
    return IndexText.entryBytes(jsonBytes[entry], references[entry], offered.get(entry));
  }

  /** Bytes of all their text. */
  long textBytes() {
    long bytes = Math.max(0, size - 1); // commas
    for (int entry = 0; entry < size; entry++) {
      bytes += textBytes(entry);
    }
    return bytes;
  }
}
