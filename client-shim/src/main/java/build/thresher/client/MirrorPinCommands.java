package build.thresher.client;

import build.thresher.v1.ListPinsRequest;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PinStatus;
import build.thresher.v1.RemovePinRequest;
import build.thresher.v1.SetPinRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code thresher mirror prune} must not touch. */
final class MirrorPinCommands {
  private static final Pattern SPEC =
      Pattern.compile("/[a-z2-7]{4,32}|[a-z0-9_][a-z0-9_-]*(?:@\\S+)?");

  private MirrorPinCommands() {}

  /** Makes or renews a pin. */
  @Command(
      name = "pin",
      description = {
        "Keep an environment, by its lock file, or specs, with what they need to run, when the"
            + " mirror is pruned. A pin of the same name is replaced.",
        "What a lock file names need not be in the mirror yet. NAME and NAME@VERSION keep whatever"
            + " of it is there."
      },
      footer = {
        "",
        "Examples:",
        "  thresher mirror pin environments/simulation/spack.lock",
        "  thresher mirror pin --name toolchain gcc@14.2.0 cmake /abcdefg"
      })
  static final class Pin extends InstanceCommand {
    @Parameters(
        arity = "1..*",
        paramLabel = "LOCKFILE|SPEC",
        description = "A spack.lock, an environment's directory, /HASH, NAME or NAME@VERSION.")
    private List<String> what = new ArrayList<>();

    @Option(
        names = "--name",
        paramLabel = "NAME",
        description = "Default: the environment's directory, or the first spec.")
    private String name = "";

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance)
        throws IOException, ClientException {
      SetPinRequest.Builder request = SetPinRequest.newBuilder().setInstanceName(instance);
      String called = name;
      List<String> from = new ArrayList<>();
      for (String each : what) {
        boolean isSpec = SPEC.matcher(each).matches() && !Path.of(each).toFile().exists();
        if (isSpec || each.matches("/[a-z2-7]{4,32}")) {
          request.addSpecs(each);
          called = called.isEmpty() ? each : called;
        } else {
          LockFile lock = LockFile.read(Path.of(each));
          request.addAllHashes(lock.needed()).addAllBuildHashes(lock.builtWith());
          from.add(lock.file().toString());
          called = called.isEmpty() ? lock.environment() : called;
        }
      }
      print(mirror.setPin(request.setName(called).setDescription(String.join(", ", from)).build()));
      return 0;
    }
  }

  /** Removes one. */
  @Command(name = "unpin", description = "Remove a pin. What it kept stays until it is pruned.")
  static final class Unpin extends InstanceCommand {
    @Parameters(paramLabel = "NAME", description = "As `thresher mirror pins` prints it.")
    private String name = "";

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
      var unused =
          mirror.removePin(
              RemovePinRequest.newBuilder().setInstanceName(instance).setName(name).build());
      return 0;
    }
  }

  /** Lists them. */
  @Command(name = "pins", description = "List what is pinned.")
  static final class Pins extends InstanceCommand {
    @Option(names = "--json", description = "One JSON object a line.")
    private boolean json;

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
      for (PinStatus pin :
          mirror
              .listPins(ListPinsRequest.newBuilder().setInstanceName(instance).build())
              .getPinsList()) {
        if (json) {
          System.out.println(JsonProgress.write(object(pin)));
        } else {
          print(pin);
        }
      }
      return 0;
    }
  }

  private static Map<String, Object> object(PinStatus pin) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("name", pin.getName());
    object.put("description", pin.getDescription());
    object.put("specs", pin.getSpecsList());
    object.put("hashes", pin.getHashes());
    object.put("published", pin.getPublished());
    object.put("since", since(pin));
    return object;
  }

  private static void print(PinStatus pin) {
    List<String> parts = new ArrayList<>(pin.getSpecsList());
    if (pin.getHashes() > 0) {
      parts.add(pin.getHashes() + " hashes");
    }
    if (!pin.getDescription().isEmpty()) {
      parts.add("from " + pin.getDescription());
    }
    System.out.println(
        Text.clean(
            "%s: %s; %d in the mirror, since %s"
                .formatted(
                    pin.getName(), String.join(", ", parts), pin.getPublished(), since(pin))));
  }

  private static String since(PinStatus pin) {
    return Instant.ofEpochMilli(pin.getPinnedMillis()).truncatedTo(ChronoUnit.SECONDS).toString();
  }
}
