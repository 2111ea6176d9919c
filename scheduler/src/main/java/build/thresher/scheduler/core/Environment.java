package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableSortedMap;
import java.nio.charset.StandardCharsets;

/**
 * Where an attempt ran, as far as that may decide how it ends. Kept with the attempt, because the
 * executor may be another one by the time somebody asks.
 *
 * @param fingerprints what the externals that the task names really were there
 */
public record Environment(
    String platform,
    String operatingSystem,
    String target,
    String sandbox,
    ImmutableSortedMap<String, String> fingerprints) {
  private static final int SHORT = 16;

  public static final Environment UNKNOWN =
      new Environment("", "", "", "", ImmutableSortedMap.of());

  /** Executors of one class fail alike. */
  public String executorClass() {
    String name = platform + "-" + operatingSystem + "-" + target + "-" + sandbox;
    if (fingerprints.isEmpty()) {
      return name;
    }
    byte[] measured = fingerprints.toString().getBytes(StandardCharsets.UTF_8);
    return name + "-" + Digest.of(measured).hex().substring(0, SHORT);
  }
}
