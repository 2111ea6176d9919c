package build.thresher.deploy.config;

import com.google.common.base.Splitter;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How the text of a key becomes a value. The same text works in the file, in the environment and on
 * the command line.
 *
 * @param example shown when a value cannot be read
 */
public record ValueType<T>(String example, Parser<T> parser) {

  /** Reads one text; throws {@link IllegalArgumentException} when it cannot. */
  interface Parser<T> {
    T parse(String text);
  }

  static final ValueType<String> STRING = new ValueType<>("some text", text -> text);
  static final ValueType<Path> PATH =
      new ValueType<>("/var/lib/thresher or ~/farm", ValueType::path);
  static final ValueType<Integer> INTEGER = new ValueType<>("4", Integer::valueOf);
  static final ValueType<Boolean> BOOLEAN = new ValueType<>("true or false", ValueType::bool);
  static final ValueType<Long> BYTES = new ValueType<>("512MiB or 20GiB", ValueType::bytes);
  static final ValueType<Duration> DURATION =
      new ValueType<>("90s, 15m or 2h", ValueType::duration);
  static final ValueType<InetSocketAddress> ADDRESS =
      new ValueType<>("127.0.0.1:8980 or [::1]:8980", ValueType::address);
  static final ValueType<List<String>> LIST = new ValueType<>("[a, b]", ValueType::list);
  static final ValueType<Map<String, String>> MAP = new ValueType<>("{a: b}", ValueType::map);

  static ValueType<String> oneOf(String... words) {
    return new ValueType<>(
        String.join(" or ", words),
        text -> {
          if (!List.of(words).contains(text)) {
            throw new IllegalArgumentException("neither " + String.join(" nor ", words));
          }
          return text;
        });
  }

  private static final Pattern BYTES_TEXT = Pattern.compile("(\\d{1,15})\\s*([KMGT]i?)?B?");
  private static final Pattern DURATION_TEXT = Pattern.compile("(\\d{1,9})\\s*(ms|s|m|h|d)");

  private static Path path(String text) {
    if (text.isEmpty()) {
      throw new IllegalArgumentException("empty path");
    }
    Path path =
        text.equals("~") || text.startsWith("~/")
            ? Path.of(System.getProperty("user.home"), text.substring(1))
            : Path.of(text);
    return path.toAbsolutePath().normalize();
  }

  private static boolean bool(String text) {
    return switch (text) {
      case "true" -> true;
      case "false" -> false;
      default -> throw new IllegalArgumentException("neither true nor false");
    };
  }

  private static long bytes(String text) {
    Matcher m = BYTES_TEXT.matcher(text);
    if (!m.matches()) {
      throw new IllegalArgumentException("not a size");
    }
    String unit = m.group(2) == null ? "" : m.group(2);
    long base = unit.endsWith("i") ? 1024 : 1000;
    int power = unit.isEmpty() ? 0 : "KMGT".indexOf(unit.charAt(0)) + 1;
    long value = Long.parseLong(m.group(1));
    for (int i = 0; i < power; i++) {
      value = Math.multiplyExact(value, base);
    }
    return value;
  }

  private static Duration duration(String text) {
    Matcher m = DURATION_TEXT.matcher(text);
    if (!m.matches()) {
      throw new IllegalArgumentException("not a duration");
    }
    long n = Long.parseLong(m.group(1));
    return switch (m.group(2)) {
      case "ms" -> Duration.ofMillis(n);
      case "s" -> Duration.ofSeconds(n);
      case "m" -> Duration.ofMinutes(n);
      case "h" -> Duration.ofHours(n);
      default -> Duration.ofDays(n);
    };
  }

  private static InetSocketAddress address(String text) {
    int colon = text.lastIndexOf(':');
    if (colon < 1) {
      throw new IllegalArgumentException("no port");
    }
    String host = text.substring(0, colon);
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    }
    InetSocketAddress address =
        new InetSocketAddress(host, Integer.parseInt(text.substring(colon + 1)));
    if (address.isUnresolved()) {
      throw new IllegalArgumentException("the host name does not resolve");
    }
    return address;
  }

  private static List<String> list(String text) {
    String inner = strip(text, '[', ']');
    return List.copyOf(Splitter.on(',').trimResults().omitEmptyStrings().splitToList(inner));
  }

  private static Map<String, String> map(String text) {
    Map<String, String> map = new LinkedHashMap<>();
    for (String entry : list(strip(text, '{', '}'))) {
      int split = entry.indexOf(entry.contains("=") ? '=' : ':');
      if (split < 1) {
        throw new IllegalArgumentException("an entry without a value");
      }
      map.put(entry.substring(0, split).strip(), entry.substring(split + 1).strip());
    }
    return Map.copyOf(map);
  }

  private static String strip(String text, char open, char close) {
    String t = text.strip();
    return t.length() >= 2 && t.charAt(0) == open && t.charAt(t.length() - 1) == close
        ? t.substring(1, t.length() - 1)
        : t;
  }

  T parse(String key, String text, String where) throws ConfigException {
    try {
      return parser.parse(text.strip());
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new ConfigException(
          String.format(
              Locale.ROOT,
              "%s: `%s` is no value for %s (%s); write for example %s",
              where,
              text,
              key,
              e.getMessage(),
              example));
    }
  }
}
