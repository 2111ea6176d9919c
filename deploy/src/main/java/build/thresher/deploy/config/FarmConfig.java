package build.thresher.deploy.config;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/**
 * The configuration in force: flags before environment before {@code farm.yaml} before defaults. A
 * key that nobody knows is refused with the nearest one that exists, wherever it stands. Immutable.
 */
public final class FarmConfig {
  /** So many letters are a slip. */
  private static final int MISSPELT = 2;

  private final Map<Key<?>, Object> values;

  private FarmConfig(Map<Key<?>, Object> values) {
    this.values = values;
  }

  /** The value of a key. */
  @SuppressWarnings("unchecked") // a key's value was read by that key's own type
  public <T> T get(Key<T> key) {
    Object value = values.get(key);
    if (value == null) {
      throw new IllegalArgumentException("key " + key.name() + " is not in Key.ALL");
    }
    return (T) value;
  }

  /**
   * @param file {@code farm.yaml}; null for none
   * @param environment of the process; only {@code THRESHER_…} names of keys are read
   * @param flags {@code key=value} as given with {@code --set}
   */
  public static FarmConfig load(
      @Nullable Path file, Map<String, String> environment, List<String> flags)
      throws ConfigException, IOException {
    Map<String, Text> texts = new HashMap<>();
    if (file != null) {
      readFile(file, texts);
    }
    for (Key<?> key : Key.ALL) {
      String text = environment.get(key.environmentName());
      if (text != null) {
        texts.put(key.name(), new Text(text, "environment variable " + key.environmentName()));
      }
    }
    for (String flag : flags) {
      int equals = flag.indexOf('=');
      if (equals < 1) {
        throw new ConfigException("--set takes KEY=VALUE, not `" + flag + "`");
      }
      String name = flag.substring(0, equals);
      texts.put(known(name, "--set"), new Text(flag.substring(equals + 1), "--set " + name));
    }
    Map<Key<?>, Object> values = new LinkedHashMap<>();
    for (Key<?> key : Key.ALL) {
      Text text = texts.getOrDefault(key.name(), new Text(key.defaultText(), "default"));
      Object value = key.type().parse(key.name(), text.text(), text.where());
      values.put(key, value);
    }
    return new FarmConfig(values);
  }

  /**
   * Variables that are almost, but not quite, named as a key is: each with that key's. Others are
   * none of this program's.
   */
  public static Map<String, String> misspelt(Map<String, String> environment) {
    Map<String, String> found = new TreeMap<>();
    List<String> known = Key.ALL.stream().map(Key::environmentName).toList();
    for (String name : environment.keySet()) {
      if (name.startsWith("THRESHER_") && !known.contains(name)) {
        known.stream()
            .filter(one -> editDistance(name, one) <= MISSPELT)
            .findFirst()
            .ifPresent(one -> found.put(name, one));
      }
    }
    return found;
  }

  /** A {@code farm.yaml} that says the defaults, with every key explained. */
  public static String documentation() {
    StringBuilder out = new StringBuilder();
    String section = "";
    for (Key<?> key : Key.ALL) {
      int dot = key.name().indexOf('.');
      String top = dot < 0 ? "" : key.name().substring(0, dot);
      if (!top.equals(section) && !top.isEmpty()) {
        out.append(top).append(":\n");
      }
      section = top;
      String indent = dot < 0 ? "" : "  ";
      out.append(indent).append("# ").append(key.help()).append('\n');
      out.append(indent).append("# Environment: ").append(key.environmentName()).append('\n');
      String value = key.defaultText().isEmpty() ? "\"\"" : key.defaultText();
      out.append(indent).append(key.name().substring(dot + 1)).append(": ").append(value);
      out.append('\n');
    }
    return out.toString();
  }

  private static void readFile(Path file, Map<String, Text> texts)
      throws ConfigException, IOException {
    String yaml;
    try {
      yaml = Files.readString(file);
    } catch (NoSuchFileException e) {
      throw new ConfigException("there is no configuration file " + file);
    } catch (CharacterCodingException e) {
      throw new ConfigException(file + " is not UTF-8");
    }
    LoaderOptions limits = new LoaderOptions();
    limits.setMaxAliasesForCollections(0); // one that holds itself has no end
    limits.setAllowDuplicateKeys(false);
    Object document;
    try {
      document = new Yaml(new SafeConstructor(limits)).load(yaml);
    } catch (RuntimeException e) { // of YAML, and of whatever reads its numbers, dates and base64
      throw new ConfigException(file + " is not YAML: " + e.getMessage());
    }
    if (document == null) {
      return;
    }
    if (!(document instanceof Map<?, ?> map)) {
      throw new ConfigException(file + " should hold a mapping of keys to values");
    }
    flatten(file, "", map, texts);
  }

  private static void flatten(Path file, String prefix, Map<?, ?> map, Map<String, Text> texts)
      throws ConfigException {
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      String name = prefix + entry.getKey();
      boolean section = Key.ALL.stream().anyMatch(k -> k.name().startsWith(name + "."));
      if (section && entry.getValue() instanceof Map<?, ?> inner) {
        flatten(file, name + ".", inner, texts);
      } else if (!section || entry.getValue() != null) { // null: all keys of it are commented out
        String where = file.toString();
        texts.put(known(name, where), new Text(text(entry.getValue()), where));
      }
    }
  }

  private static String text(@Nullable Object value) {
    return switch (value) {
      case null -> "";
      case List<?> list -> {
        StringJoiner joiner = new StringJoiner(", ", "[", "]");
        list.forEach(item -> joiner.add(String.valueOf(item)));
        yield joiner.toString();
      }
      case Map<?, ?> map -> {
        StringJoiner joiner = new StringJoiner(", ", "{", "}");
        map.forEach((k, v) -> joiner.add(k + "=" + v));
        yield joiner.toString();
      }
      default -> String.valueOf(value);
    };
  }

  private static String known(String name, String where) throws ConfigException {
    String nearest = "";
    int best = Integer.MAX_VALUE;
    for (Key<?> key : Key.ALL) {
      if (key.name().equals(name)) {
        return name;
      }
      int dot = key.name().indexOf('.');
      for (String candidate :
          dot < 0 ? List.of(key.name()) : List.of(key.name(), key.name().substring(0, dot))) {
        int distance = editDistance(name, candidate);
        if (distance < best) {
          best = distance;
          nearest = candidate;
        }
      }
    }
    throw new ConfigException(
        where + ": there is no key `" + name + "`; the nearest one is `" + nearest + "`");
  }

  /** Levenshtein's distance, one row at a time. */
  private static int editDistance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }

  private record Text(String text, String where) {}
}
