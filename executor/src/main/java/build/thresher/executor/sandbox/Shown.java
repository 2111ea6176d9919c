package build.thresher.executor.sandbox;

import java.nio.file.Path;
import java.util.List;

/**
 * Paths of the host below which all lies that commands may be shown.
 *
 * @param always what needs to be there as it is when the executor starts; the first is a directory
 *     whose entries may be links to elsewhere
 * @param further where the host may mount something at any time, for commands to see
 */
record Shown(List<Path> always, List<Path> further) {
  Shown {
    always = List.copyOf(always);
    further = List.copyOf(further);
  }
}
