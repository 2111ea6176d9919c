package build.thresher.cas.http;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The answer to a {@code Range} header (RFC 9110, 14.2). */
sealed interface ByteRange {

  /** All of it: no range, several ranges, or another unit, which a server may ignore. */
  record Whole() implements ByteRange {}

  /** {@code length} bytes, at least one, from {@code offset}. */
  record Part(long offset, long length) implements ByteRange {}

  /** Nothing of the range exists. */
  record Unsatisfiable() implements ByteRange {}

  Pattern SINGLE = Pattern.compile("bytes=(\\d{0,18})-(\\d{0,18})");

  static ByteRange parse(String header, long size) {
    Matcher m = SINGLE.matcher(header.strip());
    if (!m.matches() || (m.group(1).isEmpty() && m.group(2).isEmpty())) {
      return new Whole();
    }
    if (m.group(1).isEmpty()) {
      long suffix = Math.min(Long.parseLong(m.group(2)), size);
      return suffix == 0 ? new Unsatisfiable() : new Part(size - suffix, suffix);
    }
    long first = Long.parseLong(m.group(1));
    long last = m.group(2).isEmpty() ? size - 1 : Long.parseLong(m.group(2));
    if (!m.group(2).isEmpty() && last < first) {
      return new Whole();
    }
    return first >= size
        ? new Unsatisfiable()
        : new Part(first, Math.min(last, size - 1) - first + 1);
  }
}
