package build.thresher.scheduler.core;

import com.google.common.collect.ImmutableList;
import java.time.Instant;

/**
 * What somebody asked for, without its tasks.
 *
 * @param client who asks, as a {@link ClientName}; executors are shared out between them
 * @param roots hashes that were asked for
 * @param cached hashes that were published before; the result of such an action is in the action
 *     cache
 * @param externals hashes that the hosts provide
 */
public record RequestHead(
    String id,
    String instance,
    String client,
    WorkKind kind,
    Options options,
    ImmutableList<String> roots,
    ImmutableList<String> cached,
    ImmutableList<String> externals,
    Instant created) {

  /**
   * How.
   *
   * @param failFast hand out nothing more after the first failure
   * @param retryFailed build again what the failure store remembers
   * @param priority higher goes first among the tasks of one invocation
   */
  public record Options(boolean failFast, boolean retryFailed, int priority) {
    public static final Options NONE = new Options(false, false, 0);
  }
}
