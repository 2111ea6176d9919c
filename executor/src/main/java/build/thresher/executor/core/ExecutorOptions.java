package build.thresher.executor.core;

import build.thresher.executor.action.ActionOptions;
import build.thresher.executor.spack.SpackOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * How one executor runs.
 *
 * @param name stable over restarts, unique in the farm: letters, digits, dash and dot
 * @param workDir created if absent; executors of different names may share it, and then share what
 *     they keep for further builds
 * @param slots builds at the same time
 * @param labels what tasks may ask for
 * @param externals offered besides those that are found
 * @param hostPaths directories of the host that builds see, besides /usr and the like
 * @param caches how much is kept for further builds
 * @param logBytes of one build at most
 * @param buildUid least of the host users that builds run as, where the executor is root: one for
 *     each slot, and one more for all actions. Those that accounts or other executors of the host
 *     have are passed over
 * @param drainGrace how long builds may go on when the executor is told to stop
 * @param builds limits of single builds
 * @param actions what actions are offered and may use
 */
public record ExecutorOptions(
    String name,
    Path workDir,
    int slots,
    Map<String, String> labels,
    List<HostExternal> externals,
    List<Path> hostPaths,
    CacheSizes caches,
    long logBytes,
    int buildUid,
    Duration drainGrace,
    SpackOptions builds,
    ActionOptions actions) {
  private static final int MAX_SLOTS = 1024;

  /**
   * Sizes beyond which the least recently used goes.
   *
   * @param prefixBytes of dependencies
   * @param treeBytes of Spack cores, recipes and configurations
   * @param sourceBytes of source archives
   */
  public record CacheSizes(long prefixBytes, long treeBytes, long sourceBytes) {}

  public ExecutorOptions {
    workDir = workDir.toAbsolutePath().normalize();
    labels = Map.copyOf(labels);
    externals = List.copyOf(externals);
    hostPaths = List.copyOf(hostPaths);
    if (!name.matches("[A-Za-z0-9][A-Za-z0-9.-]{0,62}")) {
      throw new IllegalArgumentException(
          "the executor's name \"" + name + "\" must be letters, digits, dash and dot, at most 63");
    }
    if (slots < 1 || slots > MAX_SLOTS) {
      throw new IllegalArgumentException("slots must be 1 to " + MAX_SLOTS + ", not " + slots);
    }
  }

  /** What suits a machine that does nothing else: one slot, all processors for each build. */
  public static ExecutorOptions of(String name, Path workDir) {
    int cpus = Runtime.getRuntime().availableProcessors();
    return new ExecutorOptions(
        name,
        workDir,
        1,
        Map.of(),
        List.of(),
        List.of(),
        new CacheSizes(50L << 30, 10L << 30, 20L << 30),
        64L << 20,
        64100,
        Duration.ofSeconds(20),
        new SpackOptions(
            "/usr/bin/python3", cpus, Duration.ofHours(6), 0, 8192, 100L << 30, 10_000_000),
        ActionOptions.defaults());
  }

  /** The same with so many builds at a time; processors are shared out between them. */
  public ExecutorOptions withSlots(int count) {
    int jobs = Math.max(1, Runtime.getRuntime().availableProcessors() / Math.max(1, count));
    SpackOptions shared =
        new SpackOptions(
            builds.python(),
            jobs,
            builds.timeout(),
            builds.memoryBytes(),
            builds.processes(),
            builds.diskBytes(),
            builds.files());
    return new ExecutorOptions(
        name,
        workDir,
        count,
        labels,
        externals,
        hostPaths,
        caches,
        logBytes,
        buildUid,
        drainGrace,
        shared,
        actions);
  }

  /** The same with these labels. */
  public ExecutorOptions withLabels(Map<String, String> given) {
    return new ExecutorOptions(
        name,
        workDir,
        slots,
        given,
        externals,
        hostPaths,
        caches,
        logBytes,
        buildUid,
        drainGrace,
        builds,
        actions);
  }

  /** The same with so much kept for further builds. */
  public ExecutorOptions withCaches(CacheSizes sizes) {
    return new ExecutorOptions(
        name,
        workDir,
        slots,
        labels,
        externals,
        hostPaths,
        sizes,
        logBytes,
        buildUid,
        drainGrace,
        builds,
        actions);
  }

  /** The same with other rules for actions. */
  public ExecutorOptions withActions(ActionOptions given) {
    return new ExecutorOptions(
        name,
        workDir,
        slots,
        labels,
        externals,
        hostPaths,
        caches,
        logBytes,
        buildUid,
        drainGrace,
        builds,
        given);
  }

  /** The same with these limits of single builds. */
  public ExecutorOptions withBuilds(SpackOptions limits) {
    return new ExecutorOptions(
        name,
        workDir,
        slots,
        labels,
        externals,
        hostPaths,
        caches,
        logBytes,
        buildUid,
        drainGrace,
        limits,
        actions);
  }

  /** The same with so much of each log. */
  public ExecutorOptions withLogBytes(long bytes) {
    return new ExecutorOptions(
        name,
        workDir,
        slots,
        labels,
        externals,
        hostPaths,
        caches,
        bytes,
        buildUid,
        drainGrace,
        builds,
        actions);
  }

  /** The same with so much time for builds when it is told to stop. */
  public ExecutorOptions withDrainGrace(Duration grace) {
    return new ExecutorOptions(
        name, workDir, slots, labels, externals, hostPaths, caches, logBytes, buildUid, grace,
        builds, actions);
  }
}
