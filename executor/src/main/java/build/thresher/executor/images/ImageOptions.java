package build.thresher.executor.images;

import java.util.List;
import java.util.Optional;

/**
 * Which images actions may run in.
 *
 * @param registries hosts, with ports where they have one; before one that has no TLS {@code
 *     http://}
 * @param cacheBytes room for unpacked images
 */
public record ImageOptions(List<String> registries, long cacheBytes) {
  private static final String PLAIN = "http://";

  public ImageOptions {
    registries = List.copyOf(registries);
    for (String registry : registries) {
      String host = registry.startsWith(PLAIN) ? registry.substring(PLAIN.length()) : registry;
      if (!ImageName.REGISTRY.matcher(host).matches()) {
        throw new IllegalArgumentException(
            "executor.registries names \""
                + registry
                + "\"; a registry is HOST or HOST:PORT, or http://HOST:PORT for one without TLS");
      }
    }
  }

  /** Images of the store only. */
  public static ImageOptions none() {
    return new ImageOptions(List.of(), 50L << 30);
  }

  /** Where a registry is reached; empty when it is not allowed. */
  Optional<String> address(String registry) {
    if (registries.contains(PLAIN + registry)) {
      return Optional.of(PLAIN + registry);
    }
    if (!registries.contains(registry)) {
      return Optional.empty();
    }
    // The one that goes by another name.
    return Optional.of(
        "https://" + (registry.equals("docker.io") ? "registry-1.docker.io" : registry));
  }
}
