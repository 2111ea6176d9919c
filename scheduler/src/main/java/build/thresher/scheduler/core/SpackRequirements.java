package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import java.util.Comparator;

/**
 * What the build of a node needs.
 *
 * @param externals what the node and its closure take from the host
 * @param labels what the client asks for, label by label
 */
public record SpackRequirements(
    String platform,
    String operatingSystem,
    Target target,
    ImmutableSortedSet<External> externals,
    ImmutableMap<String, String> labels)
    implements Requirements {

  /**
   * A microarchitecture.
   *
   * @param features what its processors can do; empty for a generic one
   */
  public record Target(String name, ImmutableSet<String> features) {}

  /** Something of the host, as a spec names it. */
  public record External(String name, String version, String path) implements Comparable<External> {
    private static final Comparator<External> ORDER =
        Comparator.comparing(External::name)
            .thenComparing(External::version)
            .thenComparing(External::path);

    @Override
    public int compareTo(External o) {
      return ORDER.compare(this, o);
    }

    @Override
    public String toString() {
      return name + "@" + version + " at " + path;
    }
  }
}
