package build.thresher.executor.sandbox;

import com.google.common.collect.ImmutableSortedMap;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A process to start, and what it gets from outside of bubblewrap, if that is what is started.
 *
 * @param oneOutput whether what it writes to its standard error goes to its standard output
 * @param uid negative: the executor's own
 * @param processes limit of the kernel for each user
 * @param doors of control groups to enter, see {@link ControlGroups.Group#doors}
 * @param network number of an empty one, which no other process is in; empty: bubblewrap makes one
 *     where the command asks for none
 * @param filter of system calls, read from descriptor 9 when all else is set; empty: one that
 *     allows all
 * @param onHost of a command without bubblewrap, which neither waits for a filter nor knows
 *     networks
 */
record Launch(
    boolean oneOutput,
    int uid,
    long processes,
    long fileBytes,
    long openFiles,
    long mostOpenFiles,
    List<ControlGroups.Door> doors,
    OptionalInt network,
    Optional<Path> filter,
    Optional<OnHost> onHost,
    List<String> command) {

  /** What bubblewrap would set for its command. */
  record OnHost(String workingDirectory, Map<String, String> environment) {
    OnHost {
      environment = ImmutableSortedMap.copyOf(environment);
    }
  }

  Launch {
    doors = List.copyOf(doors);
    command = List.copyOf(command);
  }
}
