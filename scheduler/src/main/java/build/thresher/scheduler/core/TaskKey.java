package build.thresher.scheduler.core;

/**
 * What a unit of work is known by: two requests for the same key wait for the same task.
 *
 * @param instance the trust domain
 * @param hash the DAG hash of a Spack node
 */
public record TaskKey(String instance, String hash) implements Comparable<TaskKey> {

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
