package build.thresher.client;

import build.thresher.v1.Task;

/**
 * Words for people. What a server or a build said is never trusted to be harmless to a terminal.
 */
final class Text {
  private static final int SHORT_HASH = 7;

  private Text() {}

  /** A command of this program as the user types it, who may know it by another one's name. */
  static String command(String rest) {
    String calledAs = System.getenv("THRESHER_COMMAND");
    return (calledAs == null || calledAs.isBlank() ? "thresher" : clean(calledAs)) + " " + rest;
  }

  /** The text in one line, without anything that a terminal would obey. */
  static String clean(String text) {
    StringBuilder clean = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              if (c == '\n' || c == '\r' || c == '\t') {
                clean.append(' ');
              } else {
                clean.appendCodePoint(Character.isISOControl(c) || isInvisible(c) ? '?' : c);
              }
            });
    return clean.toString().strip();
  }

  private static boolean isInvisible(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.UNASSIGNED ->
          true;
      default -> false;
    };
  }

  static String shortHash(String hash) {
    String clean = clean(hash);
    return clean.substring(0, Math.min(SHORT_HASH, clean.length()));
  }

  /** {@code name@version}. */
  static String nameAndVersion(Task task) {
    return clean(task.getName()) + "@" + clean(task.getVersion());
  }

  /** {@code name@version/hash7}. */
  static String spec(Task task) {
    return nameAndVersion(task) + "/" + shortHash(task.getHash());
  }
}
