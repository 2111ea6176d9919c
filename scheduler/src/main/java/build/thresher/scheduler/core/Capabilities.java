package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What an executor says that it is and has, and whether that is enough for a task.
 *
 * @param properties what actions may ask for
 * @param features of the processor; empty when they are not known
 */
public record Capabilities(
    String platform,
    String operatingSystem,
    String target,
    ImmutableSet<String> compatibleTargets,
    ImmutableList<Offer> externals,
    ImmutableMap<String, String> labels,
    String sandbox,
    long memoryBytes,
    int cpus,
    ImmutableSet<PlatformProperty> properties,
    ImmutableSet<String> features) {

  /** The properties are kept as everybody should have written them. */
  public Capabilities {
    properties =
        properties.stream().map(PlatformProperty::canonical).collect(ImmutableSet.toImmutableSet());
  }

  /**
   * Something of the executor's host.
   *
   * @param version empty when the executor does not know it; then it matches any
   * @param fingerprint of what the external really is; empty when it was not measured
   */
  public record Offer(String name, String version, String path, String fingerprint) {}

  /** Executors of one class fail alike. */
  public String executorClass() {
    return platform + "-" + operatingSystem + "-" + target + "-" + sandbox;
  }

  /** Why a task with these requirements cannot run here, in words for people; empty if it can. */
  public Optional<String> lacksFor(Requirements requirements) {
    return switch (requirements) {
      case SpackRequirements needed -> lacksFor(needed);
      case ActionRequirements needed -> lacksFor(needed);
    };
  }

  private Optional<String> lacksFor(ActionRequirements needed) {
    for (PlatformProperty property : needed.properties()) {
      boolean offered =
          properties.contains(property)
              || properties.contains(new PlatformProperty(property.name(), PlatformProperty.ANY));
      if (!offered) {
        return Optional.of("it does not offer " + property + offersInstead(property.name()));
      }
    }
    return Optional.empty();
  }

  private String offersInstead(String name) {
    String values =
        properties.stream()
            .filter(p -> p.name().equals(name))
            .map(PlatformProperty::value)
            .sorted()
            .collect(Collectors.joining(", "));
    return values.isEmpty() ? "" : ", but " + values;
  }

  private Optional<String> lacksFor(SpackRequirements needed) {
    if (!platform.equals(needed.platform())) {
      return Optional.of("the platform is " + platform + ", not " + needed.platform());
    }
    if (!operatingSystem.equals(needed.operatingSystem())) {
      return Optional.of(
          "the operating system is " + operatingSystem + ", not " + needed.operatingSystem());
    }
    if (!target.equals(needed.target()) && !compatibleTargets.contains(needed.target())) {
      return Optional.of("its " + target + " cannot run " + needed.target());
    }
    for (SpackRequirements.External external : needed.externals()) {
      if (externals.stream().noneMatch(offer -> serves(offer, external))) {
        return Optional.of("it has no " + external);
      }
    }
    for (var label : needed.labels().entrySet()) {
      if (!Objects.equals(labels.get(label.getKey()), label.getValue())) {
        return Optional.of("its label " + label.getKey() + " is not " + label.getValue());
      }
    }
    return Optional.empty();
  }

  private static boolean serves(Offer offer, SpackRequirements.External wanted) {
    return offer.name().equals(wanted.name())
        && offer.path().equals(wanted.path())
        && (offer.version().isEmpty() || offer.version().equals(wanted.version()));
  }
}
