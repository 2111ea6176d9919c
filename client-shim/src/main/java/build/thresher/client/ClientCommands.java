package build.thresher.client;

import build.thresher.cas.api.StoreException;
import build.thresher.cas.api.StoreUnavailableException;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.function.Supplier;
import picocli.CommandLine;

/** The commands that talk to a farm, for the program's command table. */
public final class ClientCommands {
  private static final ImmutableMap<String, String> EXIT_CODES =
      ImmutableMap.of(
          "0", "All is well; every root is built.",
          "1", "Something was not built, was cancelled, or did not work.",
          "2", "The command was given something that is not there or cannot be.",
          "3", "The farm refused it, or what was given is malformed.",
          "4", "The farm cannot be reached.",
          "130", "Interrupted; what the farm was asked for goes on.");

  /** By name, in the order in which people read them. */
  public static final ImmutableMap<String, Supplier<Object>> ALL =
      ImmutableMap.<String, Supplier<Object>>builder()
          .put("build", BuildCommand::new)
          .put("wait", WaitCommand::new)
          .put("status", StatusCommand::new)
          .put("requests", RequestsCommand::new)
          .put("logs", LogsCommand::new)
          .put("cancel", CancelCommand::new)
          .put("mirror", MirrorCommand::new)
          .put("sources", SourcesCommand::new)
          .put("completion", CompletionCommand::new)
          .build();

  private ClientCommands() {}

  /** Adds to a command's help what its exit codes mean, if it is one of these. */
  public static void explainExitCodes(CommandLine command) {
    if (command.getCommand().getClass().getPackage() == ClientCommands.class.getPackage()) {
      command
          .getCommandSpec()
          .usageMessage()
          .exitCodeListHeading("%nExit codes:%n")
          .exitCodeList(EXIT_CODES);
      command.getSubcommands().values().forEach(ClientCommands::explainExitCodes);
    }
  }

  /**
   * Says what went wrong in one sentence.
   *
   * @return the exit code
   * @throws Exception itself, when it is none that a person can mend
   */
  public static int explain(Exception e, CommandLine command) throws Exception {
    int exitCode =
        switch (e) {
          case ClientException client -> client.exitCode();
          case StoreUnavailableException unavailable -> ClientException.UNREACHABLE;
          case StoreException refused -> ClientException.REFUSED;
          case FileSystemException file -> ClientException.USAGE;
          case IOException io -> ClientException.REFUSED;
          default -> throw e;
        };
    command.getErr().println("thresher: error: " + Text.clean(sentence(e)));
    return exitCode;
  }

  private static String sentence(Exception e) {
    return switch (e) {
      case NoSuchFileException file -> "there is no file " + file.getFile();
      case AccessDeniedException file -> "the file " + file.getFile() + " may not be read";
      default -> e.getMessage() == null ? e.toString() : e.getMessage();
    };
  }
}
