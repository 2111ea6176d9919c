package build.thresher.client;

import build.thresher.v1.ExecuteUpdate;
import build.thresher.v1.Failure;
import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.TaskState;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import picocli.CommandLine;

/** What tests of the commands share: messages, a plan on disk, and the program itself. */
final class Farmed {
  static final String HASH = "abcdefg".repeat(4) + "2345";

  private Farmed() {}

  static Task task(TaskState state, String phase) {
    return Task.newBuilder()
        .setHash(HASH)
        .setName("zlib")
        .setVersion("1.3")
        .setState(state)
        .setPhase(phase)
        .setExecution("default/operations/1")
        .build();
  }

  static Task failed(String message) {
    return task(TaskState.TASK_FAILED, "").toBuilder()
        .setFailure(Failure.newBuilder().setMessage(message))
        .build();
  }

  static Request request(RequestState state, Task... tasks) {
    return Request.newBuilder()
        .setRequestId("r1")
        .setState(state)
        .addRoots(HASH)
        .addAllTasks(List.of(tasks))
        .build();
  }

  static ExecuteUpdate accepted(Task... tasks) {
    return ExecuteUpdate.newBuilder()
        .setAccepted(request(RequestState.REQUEST_ACTIVE, tasks))
        .build();
  }

  static ExecuteUpdate update(Task task) {
    return ExecuteUpdate.newBuilder().setTask(task).build();
  }

  static ExecuteUpdate finished(RequestState state, Task... tasks) {
    return ExecuteUpdate.newBuilder().setFinished(request(state, tasks)).build();
  }

  /** A plan of one node whose trees hold a file each. */
  static Path plan(Path directory) throws IOException {
    Path dag = directory.resolve("dag.json");
    Files.writeString(
        dag,
        """
        {"spec":{"_meta":{"version":5},"nodes":[{"name":"zlib","version":"1.3","hash":"%s"}]}}
        """
            .formatted(HASH));
    Path tree = directory.resolve("tree");
    Files.createDirectories(tree.resolve("__pycache__"));
    Files.writeString(tree.resolve("a.py"), "a = 1\n");
    Files.writeString(tree.resolve("__pycache__/a.pyc"), "different everywhere");
    Path plan = directory.resolve("plan.json");
    Files.writeString(
        plan,
        """
        {"version":1,"dag":"%s","roots":["%s"],
         "trees":{"core":[{"path":"lib","from":"%s"}],"recipes":[],"configuration":[]},
         "sources":[{"hash":"%s","sources":[]}],
         "options":{"build_jobs":0,"fail_fast":false,"retry_failed":false,"verbose":false}}
        """
            .formatted(dag, HASH, tree, HASH));
    return plan;
  }

  /** What a command printed and how it ended. */
  record Ran(int exitCode, String out, String err) {}

  /** Runs a client command as the program does. Standard output is taken over while it runs. */
  static Ran run(ScriptedFarm farm, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.add(1, "--server");
    all.add(2, farm.address());
    return run(all.toArray(String[]::new));
  }

  static synchronized Ran run(String... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    try {
      CommandLine program = new CommandLine(new Program());
      addCommands(program);
      program.setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
      program.setExecutionExceptionHandler(
          (e, command, parsed) -> ClientCommands.explain(e, command));
      int exitCode = program.execute(arguments);
      return new Ran(
          exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(before);
    }
  }

  static String help(String command) {
    CommandLine program = new CommandLine(new Program());
    addCommands(program);
    return Objects.requireNonNull(program.getSubcommands().get(command)).getUsageMessage();
  }

  private static void addCommands(CommandLine program) {
    ClientCommands.ALL.forEach((name, command) -> program.addSubcommand(name, command.get()));
    program.getSubcommands().values().forEach(ClientCommands::explainExitCodes);
  }

  @CommandLine.Command(name = "thresher")
  private static final class Program {}
}
