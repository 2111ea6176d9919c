package build.thresher.cas.mirror;

import java.io.IOException;
import java.io.InputStream;

/** The text of an index while the next one is made of it, read once from its beginning. */
final class OlderText {
  private final InputStream in;
  private final IndexEntries entries;
  private int next;
  private long left;

  /**
   * @param entries what stands in the text
   */
  OlderText(InputStream in, IndexVersion version, IndexEntries entries) throws IOException {
    this.in = in;
    this.entries = entries;
    in.skipNBytes(IndexText.beginningBytes(version));
  }

  /** Whether the next entry here is this one, word for word. */
  boolean has(IndexEntries newer, int entry) {
    return next < entries.size()
        && entries.hash(next).equals(newer.hash(entry))
        && entries.references(next) == newer.references(entry)
        && entries.offered(next) == newer.offered(entry);
  }

  /** The next entry is to be copied, with those beside it. */
  void leave() {
    left += entries.textBytes(next) + (left == 0 ? 0 : 1);
    next++;
  }

  /** Copies what was left to be copied. */
  void copyLeft(IndexText out) throws IOException {
    if (left > 0) {
      out.addWritten(in, left);
      left = 0;
      skipComma();
    }
  }

  /** Copies the node of the next entry, which has changed beside it. */
  void copyJson(IndexText out) throws IOException {
    in.skipNBytes(IndexText.headBytes());
    out.copy(in, entries.jsonBytes(next));
    in.skipNBytes(IndexText.tailBytes(entries.references(next), entries.offered(next)));
    next++;
    skipComma();
  }

  private void skipComma() throws IOException {
    if (next < entries.size()) {
      in.skipNBytes(1);
    }
  }
}
