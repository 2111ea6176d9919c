package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableSet;
import java.time.Duration;

/**
 * The figures of the rules.
 *
 * @param leaseTerm how long a lease lives without renewal
 * @param executorTimeout an executor that was not heard of for so long is forgotten
 * @param schedulingGrace how long a task waits for an executor that may still come: none is there
 *     yet, or one that could run it was lost
 * @param maxAttempts leases of one task, failures of the farm included
 * @param failureTtl how long a true failure is remembered
 * @param maxTasksPerClient tasks of one user, of all his invocations, that are not done
 * @param maxTasks tasks of all users that are not done: where clients name themselves, one can have
 *     many names
 * @param plainInstances those whose actions may run on executors that have no sandbox
 */
public record CoreOptions(
    Duration leaseTerm,
    Duration executorTimeout,
    Duration schedulingGrace,
    int maxAttempts,
    Duration failureTtl,
    int maxTasksPerClient,
    int maxTasks,
    ImmutableSet<String> plainInstances) {

  public static final CoreOptions DEFAULTS =
      new CoreOptions(
          Duration.ofSeconds(30),
          Duration.ofSeconds(90),
          Duration.ofSeconds(60),
          3,
          Duration.ofDays(7),
          200_000,
          1_000_000,
          ImmutableSet.of());
}
