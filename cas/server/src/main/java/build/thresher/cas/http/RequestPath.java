package build.thresher.cas.http;

import java.util.Optional;

/**
 * The path of a request, decoded once and plain: printable ASCII, no empty, "." or ".." segment, no
 * backslash, no percent sign that is left over from a second encoding.
 *
 * @param text without the leading slash
 */
record RequestPath(String text) {
  private static final int MAX_LENGTH = 2048;

  /** Empty for a path that no honest client sends. */
  static Optional<RequestPath> parse(String raw) {
    if (!raw.startsWith("/") || raw.length() > MAX_LENGTH) {
      return Optional.empty();
    }
    StringBuilder text = new StringBuilder(raw.length());
    for (int i = 1; i < raw.length(); i++) {
      char c = raw.charAt(i);
      if (c == '%') {
        int high = i + 2 < raw.length() ? Character.digit(raw.charAt(i + 1), 16) : -1;
        int low = i + 2 < raw.length() ? Character.digit(raw.charAt(i + 2), 16) : -1;
        if (high < 0 || low < 0) {
          return Optional.empty();
        }
        c = (char) (high << 4 | low);
        i += 2;
      }
      if (c <= ' ' || c >= 127 || c == '\\' || c == '%') {
        return Optional.empty();
      }
      text.append(c);
    }
    for (String segment : text.toString().split("/", -1)) {
      if (segment.isEmpty() || segment.equals(".") || segment.equals("..")) {
        return Optional.empty();
      }
    }
    return Optional.of(new RequestPath(text.toString()));
  }
}
