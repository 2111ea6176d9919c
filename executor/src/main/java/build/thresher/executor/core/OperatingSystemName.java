package build.thresher.executor.core;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The name that Spack gives a Linux distribution: its id and the first part of its version; of
 * Ubuntu the first two; of openSUSE Tumbleweed the version of glibc instead.
 */
final class OperatingSystemName {
  private static final Pattern SEPARATOR = Pattern.compile("[^\\w-]");
  private static final Map<String, String> SPELLINGS =
      Map.of("ol", "oracle", "opensuse-leap", "opensuse");

  private OperatingSystemName() {}

  /**
   * @param osRelease lines of os-release
   * @param lddVersion what {@code ldd --version} says
   */
  static String of(List<String> osRelease, String lddVersion) {
    Map<String, String> fields = new HashMap<>();
    for (String line : osRelease) {
      int equals = line.indexOf('=');
      if (equals > 0) {
        fields.put(line.substring(0, equals).strip(), unquoted(line.substring(equals + 1).strip()));
      }
    }
    String id = fields.getOrDefault("ID", "unknown").toLowerCase(Locale.ROOT).replace(' ', '_');
    String version = fields.getOrDefault("VERSION_ID", "");
    String[] parts = SEPARATOR.split(version, -1);
    if (id.contains("ubuntu")) {
      return id + (parts.length > 1 ? parts[0] + "." + parts[1] : parts[0]);
    }
    if (id.equals("opensuse-tumbleweed")) {
      Matcher libc = Pattern.compile("ldd \\(GNU libc\\) (.*)").matcher(lddVersion);
      return "opensusetumbleweed" + (libc.find() ? libc.group(1).strip() : parts[0]);
    }
    return SPELLINGS.getOrDefault(id, id) + parts[0];
  }

  private static String unquoted(String text) {
    boolean quoted =
        text.length() >= 2
            && (text.startsWith("\"") || text.startsWith("'"))
            && text.charAt(text.length() - 1) == text.charAt(0);
    return quoted ? text.substring(1, text.length() - 1) : text;
  }
}
