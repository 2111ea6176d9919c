package build.thresher.client;

import build.thresher.v1.ListViewsRequest;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.RemoveViewRequest;
import build.thresher.v1.SetViewRequest;
import build.thresher.v1.ViewStatus;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Indices of parts of a mirror. */
final class MirrorViewCommands {
  private MirrorViewCommands() {}

  /** What a view shows. */
  static final class Kinds {
    @Option(
        names = {"-e", "--environment"},
        paramLabel = "LOCKFILE",
        description = "What this environment needs: its spack.lock, or its directory.")
    private @Nullable Path environment;

    @Option(names = "--package", paramLabel = "NAME", description = "Of this name. Repeatable.")
    private List<String> packages = new ArrayList<>();

    @Option(
        names = "--target",
        paramLabel = "TARGET",
        description = "For this microarchitecture. Repeatable.")
    private List<String> targets = new ArrayList<>();

    @Option(
        names = "--client",
        paramLabel = "NAME",
        description = "What this client had built first. Repeatable.")
    private List<String> clients = new ArrayList<>();
  }

  /** Makes or renews a view. */
  @Command(
      name = "view",
      description = {
        "Show a part of the mirror under an index of its own: specs of all the kinds that are given,"
            + " and what they need to run. A view of the same name is replaced. What a view shows is"
            + " not pruned.",
        "Spack 1.1 and newer read it with `view: NAME` beside the mirror's url in mirrors.yaml."
      },
      footer = {
        "",
        "Example: thresher mirror view -e environments/simulation/spack.lock simulation"
      })
  static final class Set extends InstanceCommand {
    @Parameters(paramLabel = "NAME", description = "Letters, digits, `.`, `_`, `-`.")
    private String name = "";

    @ArgGroup(exclusive = false)
    private Kinds kinds = new Kinds();

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance)
        throws IOException, ClientException {
      SetViewRequest.Builder request =
          SetViewRequest.newBuilder()
              .setInstanceName(instance)
              .setName(name)
              .addAllPackages(kinds.packages)
              .addAllTargets(kinds.targets)
              .addAllClients(kinds.clients);
      if (kinds.environment != null) {
        LockFile lock = LockFile.read(kinds.environment);
        request.addAllHashes(lock.needed()).setDescription(lock.file().toString());
      }
      print(mirror.setView(request.build()));
      return 0;
    }
  }

  /** Removes one. */
  @Command(name = "unview", description = "Remove a view. The specs stay.")
  static final class Remove extends InstanceCommand {
    @Parameters(paramLabel = "NAME", description = "As `thresher mirror views` prints it.")
    private String name = "";

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
      var unused =
          mirror.removeView(
              RemoveViewRequest.newBuilder().setInstanceName(instance).setName(name).build());
      return 0;
    }
  }

  /** Lists them. */
  @Command(name = "views", description = "List the views of the mirror.")
  static final class ListAll extends InstanceCommand {
    @Option(names = "--json", description = "One JSON object a line.")
    private boolean json;

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
      for (ViewStatus view :
          mirror
              .listViews(ListViewsRequest.newBuilder().setInstanceName(instance).build())
              .getViewsList()) {
        if (json) {
          System.out.println(JsonProgress.write(object(view)));
        } else {
          print(view);
        }
      }
      return 0;
    }
  }

  private static Map<String, Object> object(ViewStatus view) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("name", view.getName());
    object.put("environment", view.getDescription());
    object.put("hashes", view.getHashes());
    object.put("packages", view.getPackagesList());
    object.put("targets", view.getTargetsList());
    object.put("clients", view.getClientsList());
    object.put("specs", view.getSpecs());
    return object;
  }

  private static void print(ViewStatus view) {
    List<String> kinds = new ArrayList<>();
    if (view.getHashes() > 0) {
      kinds.add("environment " + view.getDescription());
    }
    add(kinds, "packages", view.getPackagesList());
    add(kinds, "targets", view.getTargetsList());
    add(kinds, "clients", view.getClientsList());
    System.out.println(
        Text.clean(
            "%s: %s; shows %d specs"
                .formatted(view.getName(), String.join("; ", kinds), view.getSpecs())));
  }

  private static void add(List<String> kinds, String what, List<String> names) {
    if (!names.isEmpty()) {
      kinds.add(what + " " + String.join(", ", names));
    }
  }
}
