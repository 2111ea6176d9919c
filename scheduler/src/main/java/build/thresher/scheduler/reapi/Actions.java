package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.Action;
import build.bazel.remote.execution.v2.Command;
import build.bazel.remote.execution.v2.Platform;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.RecentMessages;
import build.thresher.scheduler.wire.Wire;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Reads an action with all that it names, and refuses what could not run or would mean two things.
 * Outside the core; any thread; blocks.
 */
final class Actions {
  private static final long MAX_ACTION_BYTES = 1L << 20;
  private static final long MAX_COMMAND_BYTES = 16L << 20;
  private static final int MAX_OUTPUTS = 100_000;
  private static final int MAX_PROPERTIES = 200;

  private final BlobStore blobs;
  private final RecentMessages messages;
  private final Duration longestTimeout;

  /**
   * @param longestTimeout a longer one is refused
   */
  Actions(BlobStore blobs, RecentMessages messages, Duration longestTimeout) {
    this.blobs = blobs;
    this.messages = messages;
    this.longestTimeout = longestTimeout;
  }

  /**
   * An action that may be run.
   *
   * @param program what runs, without its directories
   * @param timeout zero where the action names none
   * @param platform the properties that count: the action's, or the command's where it has none
   */
  record Checked(
      String program,
      Duration timeout,
      ImmutableList<Platform.Property> platform,
      boolean doNotCache) {}

  @SuppressWarnings("deprecation") // clients of API 2.1 and before put the platform there
  Checked check(Scope scope, Digest digest) throws ActionRefused, IOException {
    Action action;
    try {
      action = read(scope, digest, MAX_ACTION_BYTES, "Action", Action::parseFrom);
    } catch (BlobNotFoundException e) {
      throw ActionRefused.missing(ImmutableSet.of(digest));
    }
    Digest commandDigest = digest("the action's command_digest", action.getCommandDigest());
    Digest root = digest("the action's input_root_digest", action.getInputRootDigest());
    Command command;
    try {
      command = read(scope, commandDigest, MAX_COMMAND_BYTES, "Command", Command::parseFrom);
    } catch (BlobNotFoundException e) {
      throw ActionRefused.missing(
          ImmutableSet.copyOf(
              blobs.findMissing(scope, new LinkedHashSet<>(List.of(commandDigest, root)))));
    }
    check(command);
    InputRoot.check(blobs, scope, root);
    List<Platform.Property> platform =
        action.hasPlatform()
            ? action.getPlatform().getPropertiesList()
            : command.getPlatform().getPropertiesList();
    if (platform.size() > MAX_PROPERTIES) {
      throw ActionRefused.because("more than " + MAX_PROPERTIES + " platform properties");
    }
    return new Checked(
        program(command), timeout(action), ImmutableList.copyOf(platform), action.getDoNotCache());
  }

  private interface Parser<T> {
    T parse(byte[] bytes) throws InvalidProtocolBufferException;
  }

  private <T> T read(Scope scope, Digest digest, long maxBytes, String what, Parser<T> parser)
      throws ActionRefused, IOException {
    if (digest.sizeBytes() > maxBytes) {
      throw ActionRefused.because(
          "the " + what + " " + digest + " is larger than " + maxBytes + " bytes");
    }
    try {
      return parser.parse(messages.read(scope, digest));
    } catch (InvalidProtocolBufferException e) {
      throw ActionRefused.because("blob " + digest + " is no " + what);
    }
  }

  static Digest digest(String what, build.bazel.remote.execution.v2.Digest digest)
      throws ActionRefused {
    try {
      return Wire.digest(digest);
    } catch (IllegalArgumentException e) {
      throw ActionRefused.because(what + ": " + e.getMessage());
    }
  }

  private Duration timeout(Action action) throws ActionRefused {
    if (!action.hasTimeout()) {
      return Duration.ZERO;
    }
    Duration timeout;
    try {
      timeout = Wire.duration(action.getTimeout());
    } catch (ArithmeticException e) {
      throw ActionRefused.because("the action's timeout is no duration");
    }
    if (timeout.isNegative()) {
      throw ActionRefused.because("the action's timeout is negative");
    }
    if (timeout.compareTo(longestTimeout) > 0) {
      throw ActionRefused.because(
          "the action's timeout of "
              + timeout.toSeconds()
              + " s is longer than this farm's longest, "
              + longestTimeout.toSeconds()
              + " s (scheduler.build_timeout)");
    }
    return timeout;
  }

  private static String program(Command command) {
    String first = command.getArguments(0);
    return first.substring(first.lastIndexOf('/') + 1);
  }

  private static void check(Command command) throws ActionRefused {
    if (command.getArgumentsCount() == 0 || command.getArguments(0).isEmpty()) {
      throw ActionRefused.because("the command has no program to run");
    }
    for (String argument : command.getArgumentsList()) {
      if (argument.indexOf('\0') >= 0) {
        throw ActionRefused.because("an argument of the command holds a NUL");
      }
    }
    Set<String> names = new HashSet<>();
    for (Command.EnvironmentVariable variable : command.getEnvironmentVariablesList()) {
      String name = variable.getName();
      if (name.isEmpty()
          || name.indexOf('=') >= 0
          || (name + variable.getValue()).indexOf('\0') >= 0) {
        throw ActionRefused.because("`" + name + "` cannot be an environment variable");
      }
      if (!names.add(name)) {
        throw ActionRefused.because("the command sets the variable " + name + " twice");
      }
    }
    if (!command.getWorkingDirectory().isEmpty()) {
      RelativePaths.check("the working directory", command.getWorkingDirectory());
    }
    checkOutputs(command);
  }

  /** Where output_paths is set, the two older fields are ignored. */
  @SuppressWarnings("deprecation") // clients of API 2.0 know nothing else
  private static void checkOutputs(Command command) throws ActionRefused {
    List<String> files =
        command.getOutputPathsCount() > 0
            ? command.getOutputPathsList()
            : command.getOutputFilesList();
    List<String> directories =
        command.getOutputPathsCount() > 0 ? List.of() : command.getOutputDirectoriesList();
    if (files.size() + directories.size() > MAX_OUTPUTS) {
      throw ActionRefused.because("more than " + MAX_OUTPUTS + " outputs");
    }
    Set<String> all = new HashSet<>();
    for (String path : files) {
      RelativePaths.checkOutput(command.getWorkingDirectory(), path);
      if (!all.add(path)) {
        throw ActionRefused.because("the output `" + path + "` is named twice");
      }
    }
    for (String path : directories) {
      if (!path.isEmpty()) { // the working directory itself
        RelativePaths.checkOutput(command.getWorkingDirectory(), path);
      }
      if (!all.add(path)) {
        throw ActionRefused.because("the output `" + path + "` is named twice");
      }
    }
  }
}
