package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;

/**
 * What an action needs: each property must be offered, with that value. Canonical, so that two
 * clients who write the same thing differently wait in one queue.
 */
public record ActionRequirements(ImmutableSet<PlatformProperty> properties)
    implements Requirements {

  public static ActionRequirements of(ImmutableList<PlatformProperty> platform) {
    return new ActionRequirements(
        platform.stream().map(PlatformProperty::canonical).collect(ImmutableSet.toImmutableSet()));
  }
}
