package build.thresher.client;

import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.client.sources.LocalSource;
import build.thresher.client.sources.SourceExport;
import build.thresher.client.sources.SourceTree;
import build.thresher.client.sources.SourceUpload;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.ListSourcesRequest;
import build.thresher.v1.ListSourcesResponse;
import build.thresher.v1.NamedSource;
import build.thresher.v1.RemoveSourcesRequest;
import build.thresher.v1.SourcesGrpc;
import io.grpc.Channel;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The source mirror of the farm. Alone it lists. */
@Command(
    name = "sources",
    description = "The farm's source mirror: archives of packages. Without a subcommand: list.",
    subcommands = {
      SourcesCommand.ListCommand.class,
      SourcesCommand.Add.class,
      SourcesFetchCommand.class,
      SourcesCommand.Export.class,
      SourcesCommand.Remove.class
    })
final class SourcesCommand extends SourceListing {

  @Command(name = "list", description = "List the sources that the instance has.")
  static final class ListCommand extends SourceListing {}

  /** A command about the source mirror of one instance. */
  abstract static class OfInstance extends FarmCommand {
    abstract int ask(Channel channel, String instance) throws IOException, ClientException;

    @Override
    final int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
      return ask(farm.getChannel(), Mirrors.of(farm, options.instance()).getName());
    }
  }

  /** Brings files. */
  @Command(
      name = "add",
      description = {
        "Bring source archives into the farm: files, directories of archives, or mirrors that"
            + " `spack mirror create` wrote, with their readable names. What the farm has is not"
            + " sent again. What was added stays until it is removed.",
        "[+] added, [=] there already, [!] the farm has another file for this commit and keeps it,"
            + " [x] refused."
      },
      footer = {"", "Example: thresher sources add /shared/spack-sources tool-1.0.tar.gz"})
  static final class Add extends OfInstance {
    @Parameters(arity = "1..*", paramLabel = "DIR|FILE", description = "What to bring.")
    private List<Path> paths = List.of();

    @Option(names = "--json", description = "One JSON object a line.")
    private boolean json;

    @Option(names = "--dry-run", description = "Only list what would be added.")
    private boolean dryRun;

    @Override
    int ask(Channel channel, String instance) throws IOException {
      List<LocalSource> sources = new ArrayList<>();
      for (Path path : paths) {
        sources.addAll(SourceTree.read(path));
      }
      if (dryRun) {
        sources.forEach(source -> System.out.println(Text.clean(" -  " + source.title())));
        System.out.println(sources.size() + " sources");
        return 0;
      }
      DigestCache hashes =
          DigestCache.load(Logs.cache().resolve("digests"), InstantSource.system());
      SourceReport report = new SourceReport(json);
      long sent =
          new SourceUpload(
                  new RemoteBlobStore(channel, instance),
                  SourcesGrpc.newBlockingStub(channel),
                  hashes,
                  instance)
              .run(sources, report::done);
      hashes.save();
      return report.end(sent + " bytes uploaded");
    }
  }

  /** Writes a tree. */
  @Command(
      name = "export",
      description = {
        "Write the sources into a directory that Spack uses as a source mirror without a server."
            + " Each file is verified. Start it again to go on after an interruption, or to bring"
            + " the directory up to date.",
        "Permissions follow umask and the directory's setgid bit; --group shares it."
      },
      footer = {
        "",
        "Example: thresher sources export --group hpc /shared/sources",
        "         spack mirror add --type source farm file:///shared/sources"
      })
  static final class Export extends OfInstance {
    @Parameters(paramLabel = "DIR", description = "Created if absent.")
    private Path directory = Path.of("");

    @Option(
        names = "--group",
        paramLabel = "GROUP",
        description = "New files belong to it, and it may write; directories get the setgid bit.")
    private String group = "";

    @Option(
        names = "--verify",
        description = "Read what is there already, and mend what is damaged.")
    private boolean verify;

    @Option(names = "--verbose", description = "Print each source.")
    private boolean verbose;

    @Override
    int ask(Channel channel, String instance) throws IOException {
      Path to = directory.toAbsolutePath().normalize();
      SourceExport export =
          new SourceExport(
              new RemoteBlobStore(channel, instance),
              instance,
              to,
              group,
              verify,
              () -> UUID.randomUUID().toString());
      long written = 0;
      int count = 0;
      for (NamedSource source : all(channel, instance)) {
        long bytes = export.write(source);
        written += bytes;
        count++;
        if (verbose) {
          System.out.println(Text.clean((bytes > 0 ? "[+] " : "[=] ") + title(source)));
        }
      }
      System.out.printf("%s: %d sources; %d bytes written%n", to, count, written);
      return 0;
    }
  }

  /** Forgets some. */
  @Command(
      name = "remove",
      description = "Forget sources. Their bytes go when nothing else needs them.")
  static final class Remove extends OfInstance {
    @Parameters(
        arity = "1..*",
        paramLabel = "PATH",
        description = "A readable name or a path, as `thresher sources list` prints them.")
    private List<String> paths = List.of();

    @Override
    int ask(Channel channel, String instance) {
      Set<String> removed =
          new HashSet<>(
              SourcesGrpc.newBlockingStub(channel)
                  .removeSources(
                      RemoveSourcesRequest.newBuilder()
                          .setInstanceName(instance)
                          .addAllPaths(paths)
                          .build())
                  .getRemovedList());
      for (String path : paths) {
        if (!removed.contains(path)) {
          System.err.println("thresher: error: there is no source " + Text.clean(path));
        }
      }
      return removed.containsAll(paths) ? 0 : ClientException.USAGE;
    }
  }

  static List<NamedSource> all(Channel channel, String instance) {
    List<NamedSource> all = new ArrayList<>();
    Iterator<ListSourcesResponse> pages =
        SourcesGrpc.newBlockingStub(channel)
            .listSources(ListSourcesRequest.newBuilder().setInstanceName(instance).build());
    pages.forEachRemaining(page -> all.addAll(page.getSourcesList()));
    return all;
  }

  static String title(NamedSource source) {
    return source.getNamesCount() == 0 ? source.getMirrorPath() : source.getNames(0);
  }
}
