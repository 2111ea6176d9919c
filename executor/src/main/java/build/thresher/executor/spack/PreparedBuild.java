package build.thresher.executor.spack;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.SourceCache;
import build.thresher.executor.inputs.TreeCache;
import build.thresher.executor.sandbox.Bind;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Limits;
import build.thresher.executor.sandbox.SandboxSpec;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

/**
 * Everything that one build sees, in place. Holds the shared inputs until closed. Used by one
 * thread.
 */
final class PreparedBuild implements Closeable {
  private static final String DRIVER = SpackLayout.ORDER + "/driver.py";

  private final SpackTask task;
  private final BuildSlot slot;
  private final SpackOptions options;
  private final Deque<Closeable> held = new ArrayDeque<>();
  private final List<Bind> binds = new ArrayList<>();

  private PreparedBuild(SpackTask task, BuildSlot slot, SpackOptions options) {
    this.task = task;
    this.slot = slot;
    this.options = options;
  }

  /** May be called again for the same slot after it failed; what the caches took, they have. */
  static PreparedBuild prepare(
      Scope scope,
      SpackTask task,
      BuildSlot slot,
      SpackOptions options,
      BlobStore store,
      TreeCache trees,
      PrefixCache prefixes,
      SourceCache sources,
      CoreBytecode bytecode,
      KillSwitch kill)
      throws IOException, InterruptedException {
    PreparedBuild build = new PreparedBuild(task, slot, options);
    boolean done = false;
    try {
      build.order(scope, store);
      build.trees(scope, trees, bytecode, kill);
      build.sources(scope, sources);
      build.ownDirectories();
      build.prefixes(scope, prefixes, kill);
      done = true;
      return build;
    } finally {
      if (!done) {
        build.close();
      }
    }
  }

  private void order(Scope scope, BlobStore store) throws IOException {
    Path order = FileTrees.createReadable(slot.directory().resolve("order"));
    Path document = order.resolve("node.spec.json");
    NodeDocument.write(store, scope, task, document);
    try (InputStream driver = SpackBuilder.class.getResourceAsStream("driver.py")) {
      if (driver == null) {
        throw new IOException("driver.py is missing in this build of the executor");
      }
      Files.copy(driver, order.resolve("driver.py"), StandardCopyOption.REPLACE_EXISTING);
    }
    // Hashes and paths were checked: none holds a character that JSON would escape.
    String register =
        task.register().stream().map(h -> "\"" + h + "\"").collect(Collectors.joining(","));
    Files.writeString(
        order.resolve("order.json"),
        """
        {"spec":"%s/node.spec.json","hash":"%s","prefix":"%s","register":[%s],"jobs":%d,
        "push":"%s/mirror","status":"%s/status"}
        """
            .formatted(
                SpackLayout.ORDER,
                task.hash(),
                task.prefix(),
                register,
                jobs(),
                SpackLayout.OUT,
                SpackLayout.OUT));
    binds.add(Bind.readOnly(order, SpackLayout.ORDER));
  }

  private int jobs() {
    return task.buildJobs() > 0 ? task.buildJobs() : options.jobs();
  }

  private void trees(Scope scope, TreeCache trees, CoreBytecode bytecode, KillSwitch kill)
      throws IOException, InterruptedException {
    Path core =
        hold(trees.acquire(
                scope, task.core(), tree -> bytecode.addTo(tree, task.hash(), slot, kill)))
            .path();
    Path recipes = hold(trees.acquire(scope, task.recipes())).path();
    Path client = hold(trees.acquire(scope, task.configuration())).path();
    Path configuration = FileTrees.createReadable(slot.directory().resolve("config"));
    SpackConfiguration.writeClient(client, configuration.resolve("client"));
    SpackConfiguration.writeFarm(recipes, configuration.resolve("farm"), task, jobs());
    binds.add(Bind.readOnly(core, SpackLayout.CORE));
    binds.add(Bind.readOnly(recipes, SpackLayout.REPOS));
    binds.add(Bind.readOnly(configuration.resolve("client"), SpackLayout.CLIENT_CONFIGURATION));
    binds.add(Bind.readOnly(configuration.resolve("farm"), SpackLayout.FARM_CONFIGURATION));
  }

  private void sources(Scope scope, SourceCache sources) throws IOException, InterruptedException {
    Path mirror = FileTrees.createReadable(slot.directory().resolve("sources"));
    sources.fill(scope, mirror, task.sources());
    binds.add(Bind.readOnly(mirror, SpackLayout.SOURCES));
  }

  private void ownDirectories() throws IOException {
    binds.add(Bind.writable(slot.own("tmp"), "/tmp"));
    binds.add(Bind.writable(slot.own("store"), task.installTreeRoot()));
    binds.add(Bind.writable(slot.own("out"), SpackLayout.OUT));
  }

  private void prefixes(Scope scope, PrefixCache prefixes, KillSwitch kill)
      throws IOException, InterruptedException {
    List<Callable<PrefixCache.Prefix>> wanted = new ArrayList<>();
    for (BuiltPrefix prefix : task.prefixes()) {
      wanted.add(() -> prefixes.acquire(scope, prefix));
    }
    List<PrefixCache.Prefix> taken = ParallelInputs.take(wanted, kill);
    for (int i = 0; i < taken.size(); i++) {
      binds.add(Bind.readOnly(hold(taken.get(i)).path(), task.prefixes().get(i).path()));
    }
  }

  private <T extends Closeable> T hold(T input) {
    held.push(input);
    return input;
  }

  SandboxSpec sandboxSpec() {
    Map<String, String> environment = new HashMap<>();
    environment.put("HOME", "/tmp");
    environment.put("USER", "build");
    environment.put("LC_ALL", "C.UTF-8");
    environment.put("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    environment.put("PYTHONUNBUFFERED", "1");
    environment.put("SPACK_PYTHON", options.python());
    environment.put("SPACK_DISABLE_LOCAL_CONFIG", "1");
    environment.put("SPACK_USER_CACHE_PATH", "/tmp/user");
    Duration wall =
        task.timeout()
            .filter(asked -> asked.compareTo(options.timeout()) < 0)
            .orElse(options.timeout());
    long memory = task.memoryLimitBytes() > 0 ? task.memoryLimitBytes() : options.memoryBytes();
    return new SandboxSpec(
        task.hash(),
        binds,
        environment,
        "/tmp",
        List.of(
            SpackLayout.CORE + "/bin/spack",
            "-C",
            SpackLayout.CLIENT_CONFIGURATION,
            "-C",
            SpackLayout.FARM_CONFIGURATION,
            "python",
            DRIVER,
            SpackLayout.ORDER + "/order.json"),
        new Limits(wall, memory, options.processes(), options.diskBytes(), options.files()),
        slot.directory(),
        slot.uid());
  }

  /** The mirror that the build pushed to. */
  static Path pushed(BuildSlot slot) {
    return slot.directory().resolve("out/mirror");
  }

  DriverStatus status() throws IOException {
    return DriverStatus.read(slot.directory().resolve("out/status"));
  }

  @Override
  public void close() throws IOException {
    for (Closeable input : held) {
      input.close();
    }
  }
}
