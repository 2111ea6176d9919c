package build.thresher.deploy.load;

import build.bazel.remote.execution.v2.Platform;
import build.thresher.deploy.load.Report.Cell;
import build.thresher.deploy.load.Row.NotOfferedException;
import io.grpc.StatusRuntimeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * The load generator: the same work for every server named, round by round and server by server in
 * turn, so that what disturbs the machine disturbs all of them. Nothing is asserted.
 */
@Command(
    name = "load",
    description = {
      "Measure servers of the Remote Execution API side by side.",
      "Prints the median of the rounds for each, and the first server's figure divided by each other's."
    })
public final class LoadCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      paramLabel = "[NAME=]HOST:PORT[/INSTANCE]",
      arity = "1..*",
      description = "Servers, without TLS.")
  private List<String> addresses = new ArrayList<>();

  @Option(
      names = "--token-file",
      paramLabel = "FILE",
      description = "File with the first server's token; no other server is sent one.")
  private @Nullable Path tokenFile;

  @Option(
      names = "--platform",
      paramLabel = "NAME=VALUE",
      description = "Platform property of the actions; may be given more than once.")
  private Map<String, String> platform = new TreeMap<>();

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "5",
      description = "Rounds of each row that count. Default: ${DEFAULT-VALUE}.")
  private int rounds;

  @Option(
      names = "--warm",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Rounds of each row before those, for every server alike, that do not count: a server in Java"
              + " needs some thousand calls of a kind until its code is compiled. Default: ${DEFAULT-VALUE}.")
  private int warm;

  @Option(
      names = "--rows",
      paramLabel = "REGEX",
      defaultValue = "",
      description =
          "Only rows whose name matches; reads are of what the row before them wrote in this run.")
  private String rows = "";

  @Option(
      names = "--connections",
      description =
          "Only the rows of 16 connections with a blob of 1 GiB each: they take minutes, and 16 GiB of each server's disk for each round.")
  private boolean connections;

  @Override
  public Integer call() throws Exception {
    if (rounds < 0 || warm < 0) {
      throw new ParameterException(
          spec.commandLine(), "--rounds and --warm are numbers of rounds, at least 0");
    }
    String token = tokenFile == null ? null : Files.readString(tokenFile).strip();
    List<Target> targets = new ArrayList<>();
    try {
      for (String address : addresses) {
        targets.add(Target.connect(address, targets.isEmpty() ? token : null, asked()));
      }
      run(targets);
      return 0;
    } finally {
      targets.forEach(Target::close);
    }
  }

  private Platform asked() {
    Platform.Builder asked = Platform.newBuilder();
    new TreeMap<>(platform)
        .forEach((name, value) -> asked.addPropertiesBuilder().setName(name).setValue(value));
    return asked.build();
  }

  private void run(List<Target> targets) throws Exception {
    Content content = new Content(new SecureRandom().nextLong());
    Pattern wanted = Pattern.compile(rows);
    List<Row> chosen =
        (connections
                ? Stream.of(new ConnectionRows(content).rows())
                : Stream.of(
                    new BlobRows(content).rows(),
                    new StreamRows(content).rows(),
                    new ResultRows(content).rows(),
                    new ActionRows(content).rows()))
            .flatMap(List::stream)
            .filter(row -> wanted.matcher(row.name()).find())
            .toList();
    Report report =
        new Report(spec.commandLine().getOut(), targets.stream().map(Target::name).toList());
    report.head();
    for (Row row : chosen) {
      report.row(row, measure(row, targets));
    }
  }

  /** Rounds below 0 warm both sides and do not count. */
  private List<Cell> measure(Row row, List<Target> targets) throws Exception {
    List<List<Double>> measured = new ArrayList<>();
    List<String> reasons = new ArrayList<>();
    targets.forEach(target -> measured.add(new ArrayList<>()));
    targets.forEach(target -> reasons.add(""));
    for (int round = -warm; round < rounds; round++) {
      for (int turn = 0; turn < targets.size(); turn++) {
        int i = Math.floorMod(turn + round, targets.size());
        if (!reasons.get(i).isEmpty()) {
          continue;
        }
        try {
          double value = row.measure(targets.get(i), round);
          if (round >= 0) {
            measured.get(i).add(value);
          }
        } catch (NotOfferedException e) {
          reasons.set(i, String.valueOf(e.getMessage()));
        } catch (StatusRuntimeException e) {
          reasons.set(i, "failed: " + e.getMessage());
          measured.get(i).clear();
        }
      }
    }
    List<Cell> cells = new ArrayList<>();
    for (int i = 0; i < targets.size(); i++) {
      cells.add(new Cell(List.copyOf(measured.get(i)), reasons.get(i)));
    }
    return cells;
  }
}
