package build.thresher.scheduler;

import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.reapi.DefaultProperties;
import build.thresher.scheduler.spack.InstallTree;
import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * What a site may choose.
 *
 * @param instances names of the trust domains; the first is the default, which "" stands for
 * @param installTree where every build installs
 * @param defaultTimeout wall time after which a build is killed, where the client names none
 * @param retention how long finished requests, executions and their logs are kept
 * @param reserveBytes of the disk that live logs leave free
 * @param properties that actions have where they say nothing themselves
 * @param serverVersion shown to people
 */
public record SchedulerOptions(
    ImmutableList<String> instances,
    InstallTree installTree,
    CoreOptions core,
    Duration defaultTimeout,
    Duration retention,
    long reserveBytes,
    DefaultProperties properties,
    String serverVersion) {

  private static final int MAX_INSTANCE = 200;
  private static final ImmutableSet<String> RESERVED =
      ImmutableSet.of(
          "blobs",
          "compressed-blobs",
          "uploads",
          "actions",
          "actionResults",
          "operations",
          "capabilities");

  public static final SchedulerOptions DEFAULTS =
      new SchedulerOptions(
          ImmutableList.of("default"),
          new InstallTree("/thresher/store", 256),
          CoreOptions.DEFAULTS,
          Duration.ofHours(12),
          Duration.ofDays(14),
          1L << 30,
          DefaultProperties.NONE,
          "");

  public SchedulerOptions {
    if (instances.isEmpty()) {
      throw new IllegalArgumentException("a farm has at least one instance");
    }
    for (String name : instances) {
      checkInstance(name);
    }
  }

  /** The API's own words cannot be parts of a name, so that resource names have one reading. */
  private static void checkInstance(String name) {
    List<String> parts = Splitter.on('/').splitToList(name);
    if (name.length() > MAX_INSTANCE
        || !parts.stream().allMatch(part -> part.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}"))) {
      throw new IllegalArgumentException(
          "the instance name `"
              + name
              + "` is not parts of 1 to 64 of A-Z a-z 0-9 . _ -, with slashes between them");
    }
    Optional<String> reserved = parts.stream().filter(RESERVED::contains).findFirst();
    if (reserved.isPresent()) {
      throw new IllegalArgumentException(
          "the instance name `" + name + "` holds a word of the API, " + reserved.get());
    }
  }
}
