package build.thresher.cas.api;

import java.util.regex.Pattern;

/**
 * Texts of strangers that end in messages, logs and on terminals: in one line, cut, and without
 * anything that a terminal obeys or that shows text as something else (control characters, also
 * those of U+0080 to U+009F; directions, joiners and other characters without a form; line and
 * paragraph separators).
 */
public final class Printable {
  private static final Pattern UNFIT = Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]");

  private Printable() {}

  /**
   * @param maxLength in UTF-16 characters; what is longer is cut, and says so
   */
  public static String of(String text, int maxLength) {
    String cut = text.length() > maxLength ? text.substring(0, maxLength) + "…" : text;
    return UNFIT.matcher(cut).replaceAll("?");
  }
}
