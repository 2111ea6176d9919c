package build.thresher.client;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import picocli.CommandLine;

/** The commands that talk to a farm, for the program's command table. */
public final class ClientCommands {
  private ClientCommands() {}

  /** Adds them to a program. */
  public static void addTo(CommandLine program) {
    for (Object command :
        List.of(
            new BuildCommand(),
            new StatusCommand(),
            new LogsCommand(),
            new CancelCommand(),
            new MirrorCommand())) {
      program.addSubcommand(command);
    }
  }

  /**
   * Says what went wrong in one sentence.
   *
   * @return the exit code
   * @throws Exception itself, when it is none that a person can mend
   */
  public static int explain(Exception e, CommandLine command) throws Exception {
    switch (e) {
      case ClientException client -> {
        command.getErr().println("thresher: error: " + client.getMessage());
        return client.exitCode();
      }
      case NoSuchFileException file -> {
        command.getErr().println("thresher: error: there is no file " + file.getMessage());
        return 1;
      }
      case IOException io -> {
        command.getErr().println("thresher: error: " + io.getMessage());
        return ClientException.UNREACHABLE;
      }
      default -> throw e;
    }
  }
}
