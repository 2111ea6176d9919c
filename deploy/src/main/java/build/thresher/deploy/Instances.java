package build.thresher.deploy;

import static com.google.common.collect.ImmutableMap.toImmutableMap;

import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.TrustedKeys;
import build.thresher.deploy.access.ReadRules;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The instances of a farm and what each is for, as configured. */
final class Instances {
  private Instances() {}

  /** All names; the first is the instance that is meant where none is named. */
  static ImmutableList<String> names(FarmConfig config) {
    return ImmutableList.<String>builder()
        .addAll(config.get(Key.INSTANCES))
        .addAll(config.get(Key.MIRROR_PUSHED))
        .build();
  }

  /**
   * @param installRoot the padded root that the farm builds for
   */
  static MirrorOptions mirrorOptions(FarmConfig config, String installRoot, InstantSource clock)
      throws IOException, ConfigException {
    List<String> built = config.get(Key.INSTANCES);
    List<String> pushed = config.get(Key.MIRROR_PUSHED);
    for (String instance : pushed) {
      if (built.contains(instance)) {
        throw new ConfigException(
            "the instance `%s` is in %s and in %s: it takes what the farm builds or what others built"
                .formatted(instance, Key.INSTANCES.name(), Key.MIRROR_PUSHED.name()));
      }
    }
    return MirrorOptions.of(
            built.stream().collect(toImmutableMap(name -> name, name -> installRoot)))
        .withPushed(pushRules(config, pushed, clock));
  }

  private static ImmutableMap<String, PushRules> pushRules(
      FarmConfig config, List<String> pushed, InstantSource clock)
      throws IOException, ConfigException {
    Map<String, String> keys = config.get(Key.MIRROR_TRUSTED_KEYS);
    requireAmong(config, Key.MIRROR_PUSHED, keys.keySet(), Key.MIRROR_TRUSTED_KEYS);
    requireAmong(config, Key.MIRROR_PUSHED, config.get(Key.MIRROR_UNSIGNED), Key.MIRROR_UNSIGNED);
    ImmutableMap.Builder<String, PushRules> rules = ImmutableMap.builder();
    for (String instance : pushed) {
      String file = keys.get(instance);
      boolean unsigned = config.get(Key.MIRROR_UNSIGNED).contains(instance);
      if (file == null && !unsigned) {
        throw new ConfigException(
            "the instance `%s` of %s would take nothing: give it keys in %s, or name it in %s"
                .formatted(
                    instance,
                    Key.MIRROR_PUSHED.name(),
                    Key.MIRROR_TRUSTED_KEYS.name(),
                    Key.MIRROR_UNSIGNED.name()));
      }
      TrustedKeys trusted =
          file == null ? TrustedKeys.NONE : TrustedKeys.read(Path.of(file), clock);
      rules.put(instance, new PushRules(trusted, unsigned));
    }
    return rules.buildOrThrow();
  }

  /** The private instances, each with those who may read it. */
  static ImmutableMap<String, ReadRules> readRules(FarmConfig config)
      throws IOException, ConfigException {
    Map<String, ReadRules> rules = new LinkedHashMap<>();
    for (Map.Entry<String, String> each : config.get(Key.MIRROR_READ_TOKENS).entrySet()) {
      requireInstance(config, each.getKey(), Key.MIRROR_READ_TOKENS);
      rules.put(each.getKey(), ReadRules.none().withTokens(Path.of(each.getValue())));
    }
    for (String text : config.get(Key.MIRROR_READ_NETWORKS)) {
      int equals = text.lastIndexOf('=');
      String instance = equals < 0 ? text : text.substring(0, equals);
      requireInstance(config, instance, Key.MIRROR_READ_NETWORKS);
      try {
        ReadRules before = rules.getOrDefault(instance, ReadRules.none());
        rules.put(instance, before.withNetwork(text.substring(equals + 1)));
      } catch (IllegalArgumentException e) {
        throw new ConfigException(
            "%s: `%s` is not INSTANCE=NETWORK, such as release=10.0.0.0/8: %s"
                .formatted(Key.MIRROR_READ_NETWORKS.name(), text, e.getMessage()));
      }
    }
    return ImmutableMap.copyOf(rules);
  }

  /** Those whose actions may run without a sandbox. */
  static ImmutableSet<String> plain(FarmConfig config) throws ConfigException {
    List<String> named = config.get(Key.ACTIONS_PLAIN);
    requireAmong(config, Key.INSTANCES, named, Key.ACTIONS_PLAIN);
    return ImmutableSet.copyOf(named);
  }

  private static void requireInstance(FarmConfig config, String instance, Key<?> key)
      throws ConfigException {
    if (!names(config).contains(instance)) {
      throw new ConfigException(
          "%s names `%s`, which is no instance of this farm".formatted(key.name(), instance));
    }
  }

  /**
   * @param all the key that lists the instances of which {@code key} names some
   */
  private static void requireAmong(
      FarmConfig config, Key<List<String>> all, Collection<String> named, Key<?> key)
      throws ConfigException {
    for (String instance : named) {
      if (!config.get(all).contains(instance)) {
        throw new ConfigException(
            "%s names `%s`, which is not in %s".formatted(key.name(), instance, all.name()));
      }
    }
  }
}
