package build.thresher.cas.mirror;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads a tar file as every reader of it must. The dialects of tar leave room in which two readers
 * see two archives in one file: a header whose checksum one does not look at, a GNU header with a
 * prefix that one adds, a link with content that one skips, two long names of which one wins. What
 * is meant for signing must have one meaning, so this reader knows exactly what Python's tarfile
 * writes (POSIX with PAX headers; GNU in Python before 3.8) and refuses the rest.
 *
 * <p>Names are bytes, kept as ISO 8859-1 text; {@link #readable} shows them.
 *
 * <p>Used by one thread.
 */
final class TarReader {
  static final char FILE = '0';
  static final char HARD_LINK = '1';
  static final char SYMBOLIC_LINK = '2';
  static final char DIRECTORY = '5';

  private static final int BLOCK = 512;
  private static final int MAX_HEADER_BYTES = 64 << 10;

  /**
   * Where the numbers of every header stand: mode, user, group, size, time, device. Other readers
   * refuse a header for each of them, also where it is of no use here.
   */
  private static final int[] NUMBERS = {100, 108, 116, 124, 136, 329, 337};

  private static final Set<Integer> LONG_NUMBERS = Set.of(124, 136);

  private static final Pattern OCTAL = Pattern.compile(" *[0-7]{0,12} *");
  private static final Pattern DECIMAL = Pattern.compile("[0-9]{1,18}");
  private static final String POSIX = "ustar\00000";
  private static final String GNU = "ustar  \0";
  private static final Set<String> PAX_KEYS =
      Set.of(
          "path",
          "linkpath",
          "size",
          "mtime",
          "atime",
          "ctime",
          "uid",
          "gid",
          "uname",
          "gname",
          "hdrcharset");

  private final InputStream in;
  private final byte[] block = new byte[BLOCK];
  private long contentLeft;
  private int padding;

  TarReader(InputStream in) {
    this.in = in;
  }

  /**
   * @param name as it counts, PAX and GNU long names applied
   * @param linkName "" where there is none
   * @param owned whether it belongs to somebody else than root
   */
  record Entry(String name, char type, int mode, long sizeBytes, String linkName, boolean owned) {

    /** Of directories, some writers put one behind the name. */
    Entry withoutSlash() {
      return name.endsWith("/")
          ? new Entry(name.substring(0, name.length() - 1), type, mode, sizeBytes, linkName, owned)
          : this;
    }
  }

  /** It is no tar file, or one that could be read in two ways. */
  static final class TarException extends IOException {
    private static final long serialVersionUID = 1L;

    TarException(String message) {
      super(message);
    }
  }

  /** The next entry; null at the end, of which it is sure that nothing follows. */
  @Nullable Entry next() throws IOException {
    skipContent();
    Map<String, String> pax = Map.of();
    String longName = "";
    String longLink = "";
    while (true) {
      if (!readHeader()) {
        requireThat(pax.isEmpty() && longName.isEmpty() && longLink.isEmpty(), "ends in a header");
        return null;
      }
      char type = (char) (block[156] & 0xff);
      switch (type) {
        case 'x' -> {
          requireThat(pax.isEmpty(), "has two PAX headers for one entry");
          pax = pax(payload());
        }
        case 'L' -> {
          requireThat(longName.isEmpty(), "has two long names for one entry");
          longName = longText(payload());
        }
        case 'K' -> {
          requireThat(longLink.isEmpty(), "has two long link names for one entry");
          longLink = longText(payload());
        }
        default -> {
          requireThat(
              pax.isEmpty() || (longName.isEmpty() && longLink.isEmpty()),
              "has a PAX and a GNU header for one entry");
          return entry(type, pax, longName, longLink);
        }
      }
    }
  }

  /** What is left of the entry's content. */
  byte[] content() throws IOException {
    byte[] bytes = in.readNBytes(Math.toIntExact(contentLeft));
    if (bytes.length < contentLeft) {
      throw new EOFException("its tar file is cut off");
    }
    contentLeft = 0;
    return bytes;
  }

  /** A name for people. */
  static String readable(String name) {
    return new String(name.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
  }

  /** Text as names are kept here. */
  static String bytesOf(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
  }

  private Entry entry(char type, Map<String, String> pax, String longName, String longLink)
      throws IOException {
    String name = pax.getOrDefault("path", longName.isEmpty() ? headerName() : longName);
    String link = pax.getOrDefault("linkpath", longLink.isEmpty() ? text(157, 100) : longLink);
    long size = pax.containsKey("size") ? decimal(pax.get("size")) : octal(124, 12);
    char plainType = type == '\0' ? FILE : type;
    requireThat(
        plainType == FILE || size == 0,
        "has the entry `%s` with content".formatted(readable(name)));
    boolean owned =
        !isRoot(pax.getOrDefault("uid", Long.toString(octal(108, 8))), "0")
            || !isRoot(pax.getOrDefault("gid", Long.toString(octal(116, 8))), "0")
            || !isRoot(pax.getOrDefault("uname", text(265, 32)), "root")
            || !isRoot(pax.getOrDefault("gname", text(297, 32)), "root");
    begin(size);
    return new Entry(name, plainType, (int) octal(100, 8), size, link, owned);
  }

  private static boolean isRoot(String owner, String root) {
    return owner.isEmpty() || owner.equals(root);
  }

  private String headerName() {
    String prefix = text(345, 155);
    return prefix.isEmpty() ? text(0, 100) : prefix + "/" + text(0, 100);
  }

  private boolean isPosix() {
    return raw(257, 8).equals(POSIX);
  }

  /** False at the end. */
  private boolean readHeader() throws IOException {
    int n = in.readNBytes(block, 0, BLOCK);
    if (n < BLOCK) {
      throw new EOFException("its tar file has no end mark");
    }
    if (isZero(block, BLOCK)) {
      requireEnd();
      return false;
    }
    requireThat(isPosix() || raw(257, 8).equals(GNU), "has a header that is no tar header");
    // A part of the name in POSIX; in GNU times and holes to some readers, to Python the name
    // still.
    requireThat(
        isPosix() || raw(345, 167).chars().allMatch(c -> c == 0), "has a GNU header with a prefix");
    long sum = 8 * ' ';
    for (int i = 0; i < BLOCK; i++) {
      sum += i >= 148 && i < 156 ? 0 : block[i] & 0xff;
    }
    requireThat(octal(148, 8) == sum, "has a header with a wrong checksum");
    for (int number : NUMBERS) {
      octal(number, LONG_NUMBERS.contains(number) ? 12 : 8);
    }
    return true;
  }

  /** A second block of zeros at least, and nothing but zeros. */
  private void requireEnd() throws IOException {
    byte[] rest = new byte[16 << 10];
    long zeros = 0;
    for (int n = in.read(rest); n >= 0; n = in.read(rest)) {
      requireThat(isZero(rest, n), "goes on after the end of the tar file");
      zeros += n;
    }
    requireThat(zeros >= BLOCK, "has half an end mark");
  }

  private static boolean isZero(byte[] bytes, int length) {
    for (int i = 0; i < length; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }

  private byte[] payload() throws IOException {
    long size = octal(124, 12);
    requireThat(size <= MAX_HEADER_BYTES, "has a header of " + size + " bytes");
    begin(size);
    byte[] bytes = content();
    skipContent();
    return bytes;
  }

  private static String longText(byte[] payload) throws TarException {
    String text = new String(payload, StandardCharsets.ISO_8859_1);
    int end = text.indexOf('\0');
    requireThat(end == text.length() - 1 && end > 0, "has a long name that is no text");
    return text.substring(0, end);
  }

  /** Records of {@code <length> <key>=<value>\n}; the length counts all of it. */
  private static Map<String, String> pax(byte[] payload) throws TarException {
    String all = new String(payload, StandardCharsets.ISO_8859_1);
    Map<String, String> values = new HashMap<>();
    int at = 0;
    while (at < all.length()) {
      int space = all.indexOf(' ', at);
      int length = space < 0 ? 0 : (int) Math.min(decimal(all.substring(at, space)), 1 << 20);
      int end = at + length;
      boolean sound = end <= all.length() && end > space + 1 && all.charAt(end - 1) == '\n';
      requireThat(space > 0 && sound, "has a PAX header that is none");
      String record = all.substring(space + 1, end - 1);
      int equals = record.indexOf('=');
      String key = equals < 0 ? record : record.substring(0, equals);
      requireThat(
          equals > 0 && PAX_KEYS.contains(key), "has the PAX header `%s`".formatted(readable(key)));
      String value = record.substring(equals + 1);
      requireThat(
          !key.equals("hdrcharset") || value.equals("BINARY"), "has names of another encoding");
      requireThat(
          !value.isEmpty() && values.put(key, value) == null,
          "has an empty or doubled PAX header `%s`".formatted(key));
      at = end;
    }
    requireThat(!values.isEmpty(), "has an empty PAX header");
    return values;
  }

  private void begin(long size) {
    contentLeft = size;
    padding = (int) (-size & (BLOCK - 1));
  }

  private void skipContent() throws IOException {
    try {
      in.skipNBytes(contentLeft + padding);
    } catch (EOFException e) {
      throw new EOFException("its tar file is cut off");
    }
    contentLeft = 0;
    padding = 0;
  }

  private String raw(int offset, int length) {
    return new String(block, offset, length, StandardCharsets.ISO_8859_1);
  }

  /** Up to the first NUL. */
  private String text(int offset, int length) {
    String raw = raw(offset, length);
    int end = raw.indexOf('\0');
    return end < 0 ? raw : raw.substring(0, end);
  }

  private long octal(int offset, int length) throws TarException {
    String field = text(offset, length);
    requireThat(OCTAL.matcher(field).matches(), "has a header with a number that is none");
    String digits = field.strip();
    return digits.isEmpty() ? 0 : Long.parseLong(digits, 8);
  }

  private static long decimal(String digits) throws TarException {
    requireThat(DECIMAL.matcher(digits).matches(), "has a PAX header with a number that is none");
    return Long.parseLong(digits);
  }

  private static void requireThat(boolean holds, String what) throws TarException {
    if (!holds) {
      throw new TarException(what);
    }
  }
}
