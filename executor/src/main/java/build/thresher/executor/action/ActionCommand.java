package build.thresher.executor.action;

import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Command.OutputDirectoryFormat;
import com.google.common.base.Splitter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A Command whose every text was checked, so that its paths cannot leave the input root.
 *
 * @param arguments first the program
 * @param environment all of it
 * @param workingDirectory relative to the input root; "" for the root itself
 * @param outputs what to collect
 * @param legacyOutputs whether the client named files and directories apart, as before API 2.1
 * @param format how directories are stored
 * @param recordMtime whether outputs carry their time of change
 * @param recordMode whether outputs carry their permission bits
 */
record ActionCommand(
    List<String> arguments,
    Map<String, String> environment,
    String workingDirectory,
    List<Output> outputs,
    boolean legacyOutputs,
    OutputDirectoryFormat format,
    boolean recordMtime,
    boolean recordMode) {
  /** Where programs are looked for when a command says nothing. */
  static final String DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

  /** Bubblewrap takes 9,000, its own included. */
  private static final int MOST_WORDS = 8_000;

  private static final int MAX_PATH = 4096;
  private static final Splitter SLASHES = Splitter.on('/').omitEmptyStrings();

  /** What a client expects at an output path. */
  enum Expected {
    ANYTHING,
    FILE,
    DIRECTORY
  }

  /**
   * A path to collect.
   *
   * @param path as the client wrote it, relative to the working directory
   * @param place the same, relative to the input root and without {@code ..}
   * @param expected what may be there
   */
  record Output(String path, String place, Expected expected) {}

  /**
   * @throws RefusedActionException when it cannot be run, saying why
   */
  static ActionCommand of(Command command) throws RefusedActionException {
    int words = command.getArgumentsCount() + 3 * command.getEnvironmentVariablesCount();
    if (words > MOST_WORDS) {
      throw new RefusedActionException(
          "the command has "
              + command.getArgumentsCount()
              + " arguments and "
              + command.getEnvironmentVariablesCount()
              + " variables; sandboxes start one of at most "
              + MOST_WORDS
              + " words, a variable being three: write arguments into a file");
    }
    if (command.getArgumentsCount() == 0) {
      throw new RefusedActionException("the command has no arguments; the first is the program");
    }
    for (String argument : command.getArgumentsList()) {
      requireNoNul(argument, "an argument");
    }
    if (command.getArguments(0).isEmpty()) {
      throw new RefusedActionException("the command's first argument, the program, is empty");
    }
    String workingDirectory = relative(command.getWorkingDirectory(), "the working directory");
    return new ActionCommand(
        List.copyOf(command.getArgumentsList()),
        environment(command),
        workingDirectory,
        outputs(command, workingDirectory),
        command.getOutputPathsCount() == 0,
        command.getOutputDirectoryFormat(),
        command.getOutputNodePropertiesList().contains("mtime"),
        command.getOutputNodePropertiesList().contains("unix_mode"));
  }

  private static Map<String, String> environment(Command command) throws RefusedActionException {
    Map<String, String> environment = new LinkedHashMap<>();
    for (Command.EnvironmentVariable variable : command.getEnvironmentVariablesList()) {
      String name = variable.getName();
      requireNoNul(name + variable.getValue(), "an environment variable");
      if (name.isEmpty() || name.indexOf('=') >= 0) {
        throw new RefusedActionException(
            "\"" + name + "\" cannot be the name of an environment variable");
      }
      environment.put(name, variable.getValue());
    }
    environment.putIfAbsent("PATH", DEFAULT_PATH);
    return environment;
  }

  /** The older fields count only where output_paths is not set. */
  @SuppressWarnings("deprecation") // clients before API 2.1 send nothing else
  private static List<Output> outputs(Command command, String in) throws RefusedActionException {
    List<Output> outputs = new ArrayList<>();
    if (command.getOutputPathsCount() > 0) {
      for (String path : command.getOutputPathsList()) {
        outputs.add(new Output(path, place(in, path, "an output path"), Expected.ANYTHING));
      }
    } else {
      for (String path : command.getOutputFilesList()) {
        outputs.add(new Output(path, place(in, path, "an output file"), Expected.FILE));
      }
      for (String path : command.getOutputDirectoriesList()) {
        outputs.add(new Output(path, place(in, path, "an output directory"), Expected.DIRECTORY));
      }
    }
    return List.copyOf(outputs);
  }

  /**
   * Where a path leads from the working directory. BuildStream asks for {@code .} and for
   * directories beside the working directory.
   */
  private static String place(String workingDirectory, String path, String what)
      throws RefusedActionException {
    requireNoNul(path, what);
    Deque<String> names = new ArrayDeque<>();
    for (String name : SLASHES.split(workingDirectory + "/" + path)) {
      if (name.equals("..")) {
        if (names.pollLast() == null) {
          throw new RefusedActionException(what + " leaves the input root: \"" + path + "\"");
        }
      } else if (!name.equals(".")) {
        names.addLast(name);
      }
    }
    String place = String.join("/", names);
    if (path.startsWith("/") || place.length() > MAX_PATH) {
      throw new RefusedActionException(
          what + " must be relative and at most " + MAX_PATH + " characters long: " + path);
    }
    return place;
  }

  /** A path that stays inside; a slash at the end, which some clients send, is dropped. */
  private static String relative(String path, String what) throws RefusedActionException {
    requireNoNul(path, what);
    String trimmed = path.endsWith("/") && path.length() > 1 ? cut(path) : path;
    if (trimmed.isEmpty() || trimmed.equals(".")) {
      return "";
    }
    if (path.length() > MAX_PATH) {
      throw new RefusedActionException(what + " is longer than " + MAX_PATH + " characters");
    }
    for (String name : trimmed.split("/", -1)) {
      if (name.isEmpty() || name.equals(".") || name.equals("..")) {
        throw new RefusedActionException(
            what
                + " must be relative, without empty parts, \".\" and \"..\"; it is \""
                + path
                + "\"");
      }
    }
    return trimmed;
  }

  private static String cut(String path) {
    return path.substring(0, path.length() - 1);
  }

  private static void requireNoNul(String text, String what) throws RefusedActionException {
    if (text.indexOf('\0') >= 0) {
      throw new RefusedActionException(what + " of the command holds a NUL character");
    }
  }
}
