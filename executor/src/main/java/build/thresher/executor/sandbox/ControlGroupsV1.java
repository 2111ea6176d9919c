package build.thresher.executor.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Control groups of version 1: one hierarchy for each controller. What a build leaves as good as
 * new serves the next one: to make and remove a group in each hierarchy takes the kernel longer
 * than all else that it does with them. Thread-safe.
 */
final class ControlGroupsV1 extends ControlGroups {
  private static final Logger log = LoggerFactory.getLogger(ControlGroupsV1.class);
  private static final List<String> WANTED = List.of("memory", "pids", "cpuacct", "cpu");

  /** Controller name to the directory in which groups of builds are made. */
  private final Map<String, Path> parents;

  /** None of them limits the processor. */
  private final Queue<GroupV1> spare = new ConcurrentLinkedQueue<>();

  private final AtomicLong made = new AtomicLong();

  private ControlGroupsV1(Map<String, Path> parents) {
    this.parents = parents;
  }

  static ControlGroups open(Path fileSystem, String name) {
    Map<String, Path> parents = new LinkedHashMap<>();
    for (String controller : WANTED) {
      Path hierarchy = fileSystem.resolve(controller);
      Path own = hierarchy.resolve(name);
      if (!Files.isRegularFile(hierarchy.resolve("cgroup.procs"))) {
        continue;
      }
      try {
        if (Files.isDirectory(own)) {
          removeChildren(own);
        } else {
          Files.createDirectory(own);
        }
        parents.put(controller, own);
      } catch (IOException e) {
        log.info("control group {} cannot be used: {}", own, e.toString());
      }
    }
    return parents.isEmpty() ? none() : new ControlGroupsV1(Map.copyOf(parents));
  }

  @Override
  public String enforced() {
    return "control groups (version 1) in use: "
        + String.join(", ", parents.keySet().stream().sorted().toList());
  }

  @Override
  Group create(String name, Limits limits) throws IOException {
    boolean plain = limits.milliCpus() == 0;
    GroupV1 group = plain ? spare.poll() : null;
    if (group == null) {
      group = new GroupV1(plain ? spare::add : GroupV1::discard);
    }
    try {
      if (group.directories().isEmpty()) {
        String directory = Long.toString(made.incrementAndGet());
        for (Map.Entry<String, Path> parent : parents.entrySet()) {
          if (!(plain && parent.getKey().equals("cpu"))) {
            group.add(parent.getKey(), parent.getValue().resolve(directory));
          }
        }
      }
      group.limit(limits);
      return group;
    } catch (IOException e) {
      group.close();
      throw new IOException("cannot make the control group of build " + name, e);
    }
  }

  @Override
  public void close() {
    for (GroupV1 group = spare.poll(); group != null; group = spare.poll()) {
      group.discard();
    }
    for (Path own : parents.values()) {
      try {
        remove(own);
      } catch (IOException e) {
        log.warn("control group {} cannot be removed: {}", own, e.toString());
      }
    }
  }
}
