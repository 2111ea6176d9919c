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
 * @param externals offered besides those that are found; below /usr or a host path
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
  private static final int FIRST_BUILD_UID = 64100;

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
    if (builds.jobs() == 0) {
      builds = builds.withJobs(Math.max(1, Runtime.getRuntime().availableProcessors() / slots));
    }
  }

  /** What suits a machine that does nothing else: one slot, all processors for each build. */
  public static Builder builder(String name, Path workDir) {
    return new Builder(name, workDir);
  }

  /** Options of one's own beside the defaults. Used by one thread. */
  public static final class Builder {
    private final String name;
    private final Path workDir;
    private int slots = 1;
    private Map<String, String> labels = Map.of();
    private List<HostExternal> externals = List.of();
    private List<Path> hostPaths = List.of();
    private CacheSizes caches = new CacheSizes(50L << 30, 10L << 30, 20L << 30);
    private long logBytes = 64L << 20;
    private Duration drainGrace = Duration.ofSeconds(20);
    private SpackOptions builds = SpackOptions.DEFAULTS;
    private ActionOptions actions = ActionOptions.defaults();

    private Builder(String name, Path workDir) {
      this.name = name;
      this.workDir = workDir;
    }

    /** So many builds at a time. */
    public Builder slots(int count) {
      slots = count;
      return this;
    }

    public Builder labels(Map<String, String> given) {
      labels = given;
      return this;
    }

    public Builder externals(List<HostExternal> offered) {
      externals = offered;
      return this;
    }

    public Builder hostPaths(List<Path> shown) {
      hostPaths = shown;
      return this;
    }

    public Builder caches(CacheSizes sizes) {
      caches = sizes;
      return this;
    }

    public Builder logBytes(long bytes) {
      logBytes = bytes;
      return this;
    }

    public Builder drainGrace(Duration grace) {
      drainGrace = grace;
      return this;
    }

    public Builder builds(SpackOptions limits) {
      builds = limits;
      return this;
    }

    public Builder actions(ActionOptions given) {
      actions = given;
      return this;
    }

    /**
     * @throws IllegalArgumentException when they make no executor, saying why
     */
    public ExecutorOptions build() {
      return new ExecutorOptions(
          name,
          workDir,
          slots,
          labels,
          externals,
          hostPaths,
          caches,
          logBytes,
          FIRST_BUILD_UID,
          drainGrace,
          builds,
          actions);
    }
  }
}
