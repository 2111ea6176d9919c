package build.thresher.executor.inputs;

import build.thresher.cas.api.Printable;
import java.util.regex.Pattern;

/** Checks of texts that become parts of paths. Each refusal is a sentence for people. */
public final class Names {
  private static final Pattern DAG_HASH = Pattern.compile("[a-z2-7]{32}");
  private static final int MAX_PATH = 4096;
  private static final int MAX_SHOWN = 200;

  private Names() {}

  /** A DAG hash: 32 characters of lower-case base32. */
  public static String dagHash(String text) {
    if (!DAG_HASH.matcher(text).matches()) {
      throw new IllegalArgumentException(
          "not a DAG hash: \"" + Printable.of(text, MAX_SHOWN) + "\"");
    }
    return text;
  }

  /** An absolute path without empty parts, "." or "..". */
  public static String absolutePath(String text) {
    if (!text.startsWith("/")) {
      throw new IllegalArgumentException(
          "not an absolute path: \"" + Printable.of(text, MAX_SHOWN) + "\"");
    }
    relativePath(text.substring(1));
    return text;
  }

  /** A relative path without empty parts, "." or "..". */
  public static String relativePath(String text) {
    if (text.isEmpty() || text.length() > MAX_PATH || text.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("not a path: \"" + Printable.of(text, MAX_SHOWN) + "\"");
    }
    for (String part : text.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        throw new IllegalArgumentException(
            "a path with empty parts, \".\" or \"..\": \"" + Printable.of(text, MAX_SHOWN) + "\"");
      }
    }
    return text;
  }
}
