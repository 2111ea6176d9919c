package build.thresher.scheduler.core;

import java.util.HashMap;
import java.util.Map;

/**
 * How many tasks requests wait for, of each client and in all; one that several requests wait for
 * counts for each.
 */
final class OpenTasks {
  private final Map<String, Integer> byClient = new HashMap<>();
  private int all;

  void add(String client) {
    byClient.merge(client, 1, Integer::sum);
    all++;
  }

  void remove(String client) {
    byClient.computeIfPresent(client, (name, count) -> count == 1 ? null : count - 1);
    all--;
  }

  int of(String client) {
    return byClient.getOrDefault(client, 0);
  }

  int all() {
    return all;
  }
}
