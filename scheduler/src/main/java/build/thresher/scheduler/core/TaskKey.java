package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;

/**
 * What a unit of work is known by: two requests for the same key wait for the same task.
 *
 * @param instance the trust domain
 * @param hash the DAG hash of a Spack node, or what names an action: {@code HASH/SIZE} of its
 *     digest, and {@code HASH/SIZE/REQUEST} where its result is not to be shared
 */
public record TaskKey(String instance, String hash) implements Comparable<TaskKey> {

  /** An action whose result everybody may have who asks for it. */
  public static TaskKey action(String instance, Digest action) {
    return new TaskKey(instance, action.toString());
  }

  /** An action that is run for one request only. */
  public static TaskKey unsharedAction(String instance, Digest action, String requestId) {
    return new TaskKey(instance, action + "/" + requestId);
  }

  @Override
  public int compareTo(TaskKey o) {
    int c = instance.compareTo(o.instance);
    return c != 0 ? c : hash.compareTo(o.hash);
  }

  @Override
  public String toString() {
    return instance + "/" + hash;
  }
}
