package build.thresher.scheduler;

import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.spack.InstallTree;
import com.google.common.collect.ImmutableList;
import java.time.Duration;

/**
 * What a site may choose.
 *
 * @param instances names of the trust domains; the first is the default, which "" stands for
 * @param installTree where every build installs
 * @param defaultTimeout wall time after which a build is killed, where the client names none
 * @param retention how long finished requests, executions and their logs are kept
 * @param serverVersion shown to people
 */
public record SchedulerOptions(
    ImmutableList<String> instances,
    InstallTree installTree,
    CoreOptions core,
    Duration defaultTimeout,
    Duration retention,
    String serverVersion) {

  public static final SchedulerOptions DEFAULTS =
      new SchedulerOptions(
          ImmutableList.of("default"),
          new InstallTree("/thresher/store", 256),
          CoreOptions.DEFAULTS,
          Duration.ofHours(12),
          Duration.ofDays(14),
          "");

  public SchedulerOptions {
    if (instances.isEmpty()) {
      throw new IllegalArgumentException("a farm has at least one instance");
    }
    for (String name : instances) {
      if (!name.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")) {
        throw new IllegalArgumentException(
            "the instance name `" + name + "` is not 1 to 64 of A-Z a-z 0-9 . _ -");
      }
    }
  }
}
