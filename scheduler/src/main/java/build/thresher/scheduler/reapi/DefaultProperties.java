package build.thresher.scheduler.reapi;

import build.thresher.scheduler.core.PlatformProperty;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableListMultimap;

/**
 * Platform properties that actions of an instance have where they say nothing themselves: some
 * clients cannot be told to send one. Immutable.
 */
public record DefaultProperties(ImmutableListMultimap<String, PlatformProperty> byInstance) {
  public static final DefaultProperties NONE = new DefaultProperties(ImmutableListMultimap.of());

  /** What was asked for, then the defaults for names that do not occur in it. */
  ImmutableList<PlatformProperty> added(String instance, ImmutableList<PlatformProperty> asked) {
    ImmutableList.Builder<PlatformProperty> all = ImmutableList.builder();
    all.addAll(asked);
    for (PlatformProperty one : byInstance.get(instance)) {
      String name = one.canonical().name();
      if (asked.stream().noneMatch(property -> property.canonical().name().equals(name))) {
        all.add(one);
      }
    }
    return all.build();
  }
}
