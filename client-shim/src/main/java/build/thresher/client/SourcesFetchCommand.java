package build.thresher.client;

import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.client.sources.SourceUpload;
import build.thresher.v1.NamedSource;
import build.thresher.v1.SourceOutcome;
import build.thresher.v1.SourcesGrpc;
import io.grpc.Channel;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Fills the source mirror with what Spack said that a DAG needs. */
@Command(
    name = "fetch",
    description = {
      "Fill the source mirror with all that `spack farm sources` listed: the farm fetches what it"
          + " lacks. What is there stays until it is removed.",
      "[+] added, [=] there already, [!] the farm has another file for this commit and keeps it,"
          + " [x] failed.",
      "To be used through `spack farm sources`: a lock file alone does not say where sources are."
    })
final class SourcesFetchCommand extends SourcesCommand.OfInstance {
  @Parameters(paramLabel = "LIST", description = "List (JSON): a file, or a pipe.")
  private Path list = Path.of("");

  @Option(names = "--json", description = "One JSON object a line.")
  private boolean json;

  @Option(names = "--dry-run", description = "Only list what would be brought.")
  private boolean dryRun;

  @Override
  int ask(Channel channel, String instance) throws IOException, ClientException {
    List<NamedSource> there = SourcesCommand.all(channel, instance);
    List<Plan.Source> wanted = SourceFill.distinct(Plan.readSources(list).sources());
    DigestCache hashes = DigestCache.load(Logs.cache().resolve("digests"), InstantSource.system());
    SourceFill fill =
        new SourceFill(
            channel,
            instance,
            there,
            new SourceUpload(
                new RemoteBlobStore(channel, instance),
                SourcesGrpc.newBlockingStub(channel),
                hashes,
                instance));
    if (dryRun) {
      return show(fill, wanted);
    }
    SourceReport report = new SourceReport(json);
    AtomicLong newBytes = new AtomicLong();
    long sent =
        fill.run(
            wanted,
            (title, outcome, reason, size) -> {
              report.done(title, outcome, reason, size);
              newBytes.addAndGet(outcome == SourceOutcome.SOURCE_ADDED ? size : 0);
            });
    hashes.save();
    return report.end(Amounts.size(newBytes.get()) + " more, " + sent + " bytes uploaded");
  }

  private int show(SourceFill fill, List<Plan.Source> wanted) {
    int there = 0;
    for (Plan.Source source : wanted) {
      boolean isThere = fill.isThere(source);
      there += isThere ? 1 : 0;
      String why = isThere || source.unsupported() == null ? "" : "  " + source.unsupported();
      String mark = isThere ? "[=] " : why.isEmpty() ? " -  " : "[x] ";
      System.out.println(Text.clean(mark + SourceFill.title(source) + why));
    }
    System.out.println(wanted.size() + " sources, " + there + " there already");
    return 0;
  }
}
