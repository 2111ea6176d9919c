package build.thresher.deploy;

import build.thresher.client.ClientCommands;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.load.LoadCommand;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The program {@code thresher}: its command table. */
@Command(
    name = "thresher",
    description = "A build farm for Spack and for every client of the Remote Execution API.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    synopsisSubcommandLabel = "COMMAND")
final class Main implements Callable<Integer> {
  private static final ImmutableMap<String, Supplier<Object>> COMMANDS =
      ImmutableMap.<String, Supplier<Object>>builder()
          .put("serve", ServeCommand::new)
          .put("executor", ExecutorCommand::new)
          .put("config", ConfigCommand::new)
          .put("conformance", ConformanceCommand::new)
          .put("demo", DemoCommand::new)
          .put("load", LoadCommand::new)
          .put("warm-up", WarmUpCommand::new)
          // No reference to its constructor: Java 25 crashes when it archives one of an old class.
          .put("help", () -> new HelpCommand())
          .putAll(ClientCommands.ALL)
          .build();

  /** These speak of the others. */
  private static final ImmutableSet<String> ABOUT_ALL = ImmutableSet.of("help", "completion");

  @Spec private CommandSpec spec;

  public static void main(String[] arguments) {
    System.exit(run(arguments));
  }

  static int run(String... arguments) {
    CommandLine program = new CommandLine(new Main());
    named(arguments).forEach((name, command) -> program.addSubcommand(name, command.get()));
    program.getSubcommands().values().forEach(Main::withHelp);
    program.getSubcommands().values().forEach(ClientCommands::explainExitCodes);
    program.setExecutionExceptionHandler(Main::explain);
    return program.execute(arguments);
  }

  /**
   * The command that is asked for, where one is: to describe all of them takes longer than most of
   * them do.
   */
  private static Map<String, Supplier<Object>> named(String... arguments) {
    String name = arguments.length == 0 ? "" : arguments[0];
    Supplier<Object> command = COMMANDS.get(name);
    return command == null || ABOUT_ALL.contains(name) ? COMMANDS : Map.of(name, command);
  }

  private static void withHelp(CommandLine command) {
    if (!command.getCommandSpec().mixinStandardHelpOptions()
        && !command.getCommandSpec().helpCommand()) {
      command.getCommandSpec().mixinStandardHelpOptions(true);
    }
    command.getSubcommands().values().forEach(Main::withHelp);
  }

  @Override
  public Integer call() {
    throw new ParameterException(spec.commandLine(), "a command is needed");
  }

  /** One sentence for what a person can mend; a stack only for what is our fault. */
  private static int explain(Exception e, CommandLine command, CommandLine.ParseResult parsed)
      throws Exception {
    if (e instanceof ConfigException) {
      command.getErr().println("thresher: error: " + e.getMessage());
      return command.getCommandSpec().exitCodeOnInvalidInput();
    }
    return ClientCommands.explain(e, command);
  }
}
