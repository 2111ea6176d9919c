package build.thresher.deploy;

import build.thresher.client.ClientCommands;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.load.LoadCommand;
import java.util.concurrent.Callable;
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
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      ServeCommand.class,
      ExecutorCommand.class,
      ConfigCommand.class,
      ConformanceCommand.class,
      DemoCommand.class,
      LoadCommand.class,
      WarmUpCommand.class,
      HelpCommand.class
    })
final class Main implements Callable<Integer> {
  @Spec private CommandSpec spec;

  public static void main(String[] arguments) {
    System.exit(run(arguments));
  }

  static int run(String... arguments) {
    CommandLine program = new CommandLine(new Main());
    ClientCommands.addTo(program);
    program.getSubcommands().values().forEach(Main::withHelp);
    program.setExecutionExceptionHandler(Main::explain);
    return program.execute(arguments);
  }

  private static void withHelp(CommandLine command) {
    if (!command.getCommandSpec().mixinStandardHelpOptions()
        && !command.getCommandSpec().helpCommand()) {
      command.getCommandSpec().mixinStandardHelpOptions(true);
    }
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
