package build.thresher.scheduler.core;

import java.util.HashMap;
import java.util.Map;

/**
 * How many tasks requests wait for, of each user and in all; one that several requests wait for
 * counts for each.
 */
final class OpenTasks {
  private final Map<String, Integer> byUser = new HashMap<>();
  private int all;

  void add(String user) {
    byUser.merge(user, 1, Integer::sum);
    all++;
  }

  void remove(String user) {
    byUser.computeIfPresent(user, (name, count) -> count == 1 ? null : count - 1);
    all--;
  }

  int of(String user) {
    return byUser.getOrDefault(user, 0);
  }

  int all() {
    return all;
  }
}
