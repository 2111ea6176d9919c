package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Platform;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The properties of an action's platform that the executor itself acts on. Names are compared
 * without regard to case, dashes and underscores. Immutable.
 */
public final class PlatformProperties {
  /** What stands for yes, as {@link #normal} writes it. */
  static final List<String> YES =
      List.of("true", "1", "yes", "on", "enabled", "standard", "bridge", "host");

  private final Map<String, String> values;

  private PlatformProperties(Map<String, String> values) {
    this.values = Map.copyOf(values);
  }

  /** Of a name that occurs more than once the last value counts. */
  public static PlatformProperties of(Platform platform) {
    Map<String, String> values = new HashMap<>();
    platform.getPropertiesList().forEach(p -> values.put(normal(p.getName()), p.getValue()));
    return new PlatformProperties(values);
  }

  /** Whether a property of that name is among these. */
  static boolean names(List<Platform.Property> properties, String name) {
    return properties.stream().anyMatch(p -> normal(p.getName()).equals(normal(name)));
  }

  private static String normal(String name) {
    return name.toLowerCase(Locale.ROOT).replace("-", "").replace("_", "");
  }

  /** The value of the first of these names that is given. */
  Optional<String> first(String... names) {
    return List.of(names).stream()
        .map(name -> values.get(normal(name)))
        .filter(value -> value != null && !value.isBlank())
        .map(String::strip)
        .findFirst();
  }

  /** Whether one of these names is given and says yes. */
  boolean isOn(String... names) {
    return first(names).map(value -> YES.contains(normal(value))).orElse(false);
  }
}
