package build.thresher.executor.action;

import build.thresher.executor.outputs.BuildLog;
import java.nio.file.Path;

/**
 * Where one action runs.
 *
 * @param name for its control groups, unlike that of any other that runs
 * @param directory its own, with nothing but its outputs in it; cleared by whoever made it
 * @param stdout what the command writes to its standard output
 * @param stderr what the command writes to its standard error
 */
public record ActionSlot(String name, Path directory, BuildLog stdout, BuildLog stderr) {
  /** Name of what is the executor's but for what lies in it. */
  public static final String OWN = "own";

  /** What the action itself writes; its size is limited. */
  Path own() {
    return directory.resolve(OWN);
  }
}
