package build.thresher.executor.action;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Platform;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.executor.action.ActionReport.Failed;
import build.thresher.executor.action.ActionReport.Finished;
import build.thresher.executor.inputs.FileTrees;
import build.thresher.executor.outputs.BuildLog;
import build.thresher.executor.sandbox.Bubblewrap;
import build.thresher.executor.sandbox.ControlGroups;
import build.thresher.executor.sandbox.HostSettings;
import build.thresher.executor.sandbox.KillSwitch;
import build.thresher.executor.sandbox.Plain;
import build.thresher.executor.sandbox.Sandbox;
import build.thresher.executor.sandbox.SeccompFilter;
import build.thresher.executor.testing.DirectoryBlobStore;
import build.thresher.executor.testing.RunningProcesses;
import com.google.common.collect.ImmutableMap;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/** Runs actions in real sandboxes, or in none, from a store on disk. */
final class ActionBench implements AutoCloseable {
  static final Scope SCOPE = Scope.farm("");

  final DirectoryBlobStore store;
  final Path work;
  final boolean root = "root".equals(System.getProperty("user.name"));
  private final Sandbox sandbox;
  private final AtomicInteger slots = new AtomicInteger();
  private ActionRunner runner;

  ActionBench(Path temporary, ActionOptions options) throws Exception {
    this(temporary, options, true);
  }

  ActionBench(Path temporary, ActionOptions options, boolean controlGroups) throws Exception {
    assumeTrue(
        options.plain() || Files.isExecutable(Path.of("/usr/bin/bwrap")),
        "no bubblewrap on this host");
    Files.setPosixFilePermissions(temporary, PosixFilePermissions.fromString("rwxr-xr-x"));
    store = new DirectoryBlobStore(temporary.resolve("blobs"));
    work = FileTrees.createReadable(temporary.resolve("work"));
    FileTrees.createReadable(work.resolve("builds"));
    sandbox =
        new Sandbox(
            options.plain() ? new Plain(root) : bubblewrap(),
            controlGroups
                ? ControlGroups.prepare("action-bench-" + ProcessHandle.current().pid())
                : ControlGroups.none(),
            "/usr/bin/python3",
            System::nanoTime);
    runner = open(options);
  }

  private Bubblewrap bubblewrap() throws Exception {
    Path etc = work.resolve("etc");
    HostSettings.write(etc, List.of());
    return new Bubblewrap(
        work,
        etc,
        List.of(),
        root,
        SeccompFilter.write(work.resolve("seccomp"), System.getProperty("os.arch", "")));
  }

  ActionBench(Path temporary) throws Exception {
    this(temporary, ActionOptions.defaults());
  }

  private ActionRunner open(ActionOptions options) throws Exception {
    return ActionRunner.open(
        "bench",
        work.resolve("inputs"),
        work.resolve("images"),
        store,
        sandbox,
        root && options.plain()
            ? Owners.apart(IntStream.range(64321, 64329).mapToObj(Owner::new).toList())
            : Owners.shared(new Owner(root ? 64321 : -1)),
        options,
        InstantSource.system());
  }

  /** As a restart of the executor would. */
  void reopen(ActionOptions options) throws Exception {
    runner.close();
    runner = open(options);
  }

  /** An outcome, with the whole of both outputs. */
  record Run(ActionReport report, String stdout, String stderr) {
    ActionResult result() {
      return report.outcome() instanceof Finished finished
          ? finished.result()
          : fail(report.outcome() + stderr);
    }

    Failed failure() {
      return report.outcome() instanceof Failed failed ? failed : fail(report.toString());
    }
  }

  static Command.Builder shell(String script) {
    return Command.newBuilder()
        .addAllArguments(List.of("/bin/sh", "-c", RunningProcesses.unique(script)));
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  Digest upload(LocalTree.Builder builder) throws Exception {
    LocalTree tree = builder.build();
    new TreeUploader(store, SCOPE).upload(tree);
    return tree.root();
  }

  String content(build.bazel.remote.execution.v2.Digest digest) throws Exception {
    return new String(store.readAll(SCOPE, WireDigests.fromWire(digest)), StandardCharsets.UTF_8);
  }

  Run run(Command.Builder command, Digest inputs, String... properties) throws Exception {
    return run(command, inputs, Duration.ofMinutes(1), new KillSwitch(), properties);
  }

  Run run(
      Command.Builder command,
      Digest inputs,
      Duration timeout,
      KillSwitch kill,
      String... properties)
      throws Exception {
    Digest action =
        store.put(
            SCOPE,
            Action.newBuilder()
                .setCommandDigest(
                    WireDigests.toWire(store.put(SCOPE, command.build().toByteArray())))
                .setInputRootDigest(WireDigests.toWire(inputs))
                .build()
                .toByteArray());
    Platform.Builder platform = Platform.newBuilder();
    for (String property : properties) {
      platform
          .addPropertiesBuilder()
          .setName(property.substring(0, property.indexOf('=')))
          .setValue(property.substring(property.indexOf('=') + 1));
    }
    int number = slots.incrementAndGet();
    Path directory = FileTrees.createReadable(work.resolve("builds/" + number));
    try (BuildLog stdout = new BuildLog(directory.resolve("stdout"), 64 << 20);
        BuildLog stderr = new BuildLog(directory.resolve("stderr"), 64 << 20)) {
      ActionTask task =
          new ActionTask(
              "",
              action,
              Optional.of(timeout),
              PlatformProperties.of(platform.build()),
              Optional.empty(),
              0,
              ImmutableMap.of());
      ActionSlot slot =
          new ActionSlot(
              "bench-" + number,
              FileTrees.createReadable(directory.resolve("build")),
              stdout,
              stderr);
      ActionReport report;
      try (ActionExecution execution = runner.execution(task, slot)) {
        report = execution.run(kill, phase -> {}, () -> {});
      }
      return new Run(report, text(stdout), text(stderr));
    } finally {
      FileTrees.delete(directory);
      runner.giveBack(directory);
    }
  }

  private static String text(BuildLog log) throws Exception {
    return new String(log.read(0, (int) log.length()), StandardCharsets.UTF_8);
  }

  @Override
  public void close() throws Exception {
    runner.close();
    sandbox.close();
    FileTrees.delete(work.resolve("etc"));
  }
}
