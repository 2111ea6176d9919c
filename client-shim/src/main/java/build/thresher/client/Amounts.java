package build.thresher.client;

import java.time.Duration;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Times and sizes as people write and read them. */
final class Amounts {
  private static final Pattern TIME = Pattern.compile("(\\d{1,6})(?:([smhd])|)");

  private Amounts() {}

  /** {@code 30d}, {@code 12h}, {@code 15m}, {@code 90s}, or 0. */
  static Duration time(String option, String text) throws ClientException {
    Matcher m = TIME.matcher(text);
    if (!m.matches() || (m.group(2) == null && !m.group(1).matches("0+"))) {
      throw new ClientException(
          ClientException.USAGE,
          option + " takes a time like 30d, 12h, 15m or 0, not `" + Text.clean(text) + "`");
    }
    long number = Long.parseLong(m.group(1));
    String unit = m.group(2) == null ? "s" : m.group(2);
    return switch (unit) {
      case "d" -> Duration.ofDays(number);
      case "h" -> Duration.ofHours(number);
      case "m" -> Duration.ofMinutes(number);
      default -> Duration.ofSeconds(number);
    };
  }

  static String size(long bytes) {
    return bytes < 1 << 20
        ? String.format(Locale.ROOT, "%.1f KiB", bytes / 1024.0)
        : String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
  }
}
