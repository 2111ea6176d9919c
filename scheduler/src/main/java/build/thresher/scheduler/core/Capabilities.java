package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.Sets;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What an executor says that it is and has, and whether that is enough for a task.
 *
 * @param sandbox what commands run in; {@link #PLAIN} for nothing, as the executor's user
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

  /** The sandbox of executors that have none. */
  public static final String PLAIN = "plain";

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

  boolean isPlain() {
    return sandbox.equals(PLAIN);
  }

  /** Where a task with these requirements would run here. */
  Environment environmentFor(Requirements requirements) {
    ImmutableSortedMap.Builder<String, String> measured = ImmutableSortedMap.naturalOrder();
    if (requirements instanceof SpackRequirements needed) {
      for (SpackRequirements.External external : needed.externals()) {
        externals.stream()
            .filter(offer -> serves(offer, external) && !offer.fingerprint().isEmpty())
            .findFirst()
            .ifPresent(offer -> measured.put(external.toString(), offer.fingerprint()));
      }
    }
    return new Environment(platform, operatingSystem, target, sandbox, measured.buildOrThrow());
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
    if (isPlain()) {
      return Optional.of("it has no sandbox, and packages are built in one");
    }
    if (!platform.equals(needed.platform())) {
      return Optional.of("the platform is " + platform + ", not " + needed.platform());
    }
    if (!operatingSystem.equals(needed.operatingSystem())) {
      return Optional.of(
          "the operating system is " + operatingSystem + ", not " + needed.operatingSystem());
    }
    Optional<String> unable = lacksFor(needed.target());
    if (unable.isPresent()) {
      return unable;
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

  /** What a processor can do counts where both sides say it; its name where one does not. */
  private Optional<String> lacksFor(SpackRequirements.Target wanted) {
    if (features.isEmpty() || wanted.features().isEmpty()) {
      return target.equals(wanted.name()) || compatibleTargets.contains(wanted.name())
          ? Optional.empty()
          : Optional.of("its " + target + " cannot run " + wanted.name());
    }
    Set<String> absent = Sets.difference(wanted.features(), features);
    return absent.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "its "
                + target
                + " cannot run "
                + wanted.name()
                + ": it lacks "
                + absent.stream().sorted().collect(Collectors.joining(", ")));
  }

  private static boolean serves(Offer offer, SpackRequirements.External wanted) {
    return offer.name().equals(wanted.name())
        && offer.path().equals(wanted.path())
        && (offer.version().isEmpty() || offer.version().equals(wanted.version()));
  }
}
