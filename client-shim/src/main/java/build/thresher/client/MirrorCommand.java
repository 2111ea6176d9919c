package build.thresher.client;

import build.thresher.v1.FarmGrpc;
import build.thresher.v1.InstanceStatus;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The farm as a mirror of plain Spack. Alone it lists. */
@Command(
    name = "mirror",
    description = "Use the farm's mirror from plain Spack. Without a subcommand: list.",
    subcommands = {
      MirrorCommand.ListCommand.class,
      MirrorCommand.AddCommand.class,
      MirrorImportCommand.class,
      MirrorExportCommand.class,
      MirrorPruneCommand.class,
      MirrorRestoreCommand.class,
      MirrorPinCommands.Pin.class,
      MirrorPinCommands.Unpin.class,
      MirrorPinCommands.Pins.class,
      MirrorViewCommands.Set.class,
      MirrorViewCommands.Remove.class,
      MirrorViewCommands.ListAll.class,
      MirrorPromoteCommand.class,
      MirrorKeyCommands.Keys.class,
      MirrorKeyCommands.Rotate.class
    })
final class MirrorCommand extends MirrorListing {
  @Command(
      name = "list",
      description = "Print the mirror's URL and key, and how to use it from plain Spack.")
  static final class ListCommand extends MirrorListing {}

  /** Runs Spack, which alone writes its configuration. */
  @Command(
      name = "add",
      description =
          "Add the mirror to Spack's configuration and trust its key, with the Spack on PATH.",
      footer = {"", "Example: thresher mirror add --scope site farm"})
  static final class AddCommand extends FarmCommand {
    @Option(
        names = "--scope",
        paramLabel = "SCOPE",
        description = "Configuration scope to change, as in `spack mirror add`.")
    private String scope = "";

    @Option(
        names = "--spack",
        paramLabel = "PROGRAM",
        description = "Spack to be changed. Default: SPACK_ROOT's, else the one on PATH.")
    private String spack = "";

    @Parameters(
        arity = "0..1",
        paramLabel = "NAME",
        description = "Default: ${DEFAULT-VALUE}.",
        defaultValue = "farm")
    private String name = "";

    @Override
    int ask(FarmGrpc.FarmBlockingStub farm) throws IOException, ClientException {
      InstanceStatus instance = Mirrors.of(farm, options.instance());
      return new MirrorAdder(MirrorAdder.spack(spack)).add(instance, name, scope);
    }
  }
}
