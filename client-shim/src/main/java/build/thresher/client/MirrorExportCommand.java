package build.thresher.client;

import build.thresher.client.buildcache.Mirror;
import build.thresher.client.buildcache.MirrorExport;
import build.thresher.client.buildcache.MirrorExport.Exported;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.InstanceStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes what the farm has as files. */
@Command(
    name = "export",
    description = {
      "Write an instance's mirror into a directory, from which any Spack installs without a server.",
      "Start it again to go on after an interruption, or to bring the directory up to date."
    },
    footer = {
      "",
      "Example: thresher mirror export /media/disk/mirror",
      "         spack mirror add farm file:///media/disk/mirror"
    })
final class MirrorExportCommand extends FarmCommand {
  @Parameters(paramLabel = "DIR", description = "Created if absent.")
  private Path directory = Path.of("");

  @Option(
      names = {"-j", "--jobs"},
      paramLabel = "N",
      description = "Specs at a time. Default: ${DEFAULT-VALUE}.",
      defaultValue = "8")
  private int jobs;

  @Option(names = "--verbose", description = "Print each spec.")
  private boolean verbose;

  @Override
  int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
    if (jobs < 1 || jobs > 256) {
      throw new ClientException(ClientException.USAGE, "--jobs is 1 to 256");
    }
    InstanceStatus instance = Mirrors.of(farm, options.instance());
    Path to = Files.createDirectories(directory.toAbsolutePath().normalize());
    try (Mirror mirror = Mirror.open(instance.getMirrorUrl(), options.token())) {
      Exported exported =
          new MirrorExport(mirror, to)
              .run(
                  jobs,
                  spec -> {
                    if (verbose) {
                      System.out.println(
                          Text.clean("[+] " + spec.hash().substring(0, 7) + " " + spec.title()));
                    }
                  });
      System.out.printf(
          "%s: %d specs; %d bytes written%n", to, exported.specs(), exported.bytesWritten());
      return 0;
    }
  }
}
