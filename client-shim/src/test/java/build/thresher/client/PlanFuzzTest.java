package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

/** Plans that something else than the Spack extension wrote. */
class PlanFuzzTest extends HostileBytes {
  @TempDir Path scratch;

  @Hostile
  void aPlanIsRefusedInWordsOrWellFormed(byte[] json) throws IOException {
    Path file = Files.write(scratch.resolve("plan.json"), json);
    try {
      assertEquals(Plan.VERSION, Plan.read(file).version());
    } catch (ClientException e) {
      assertEquals(ClientException.REFUSED, e.exitCode());
    }
  }

  @Hostile
  void aListOfSourcesIsRefusedInWordsOrWellFormed(byte[] json) throws IOException {
    Path file = Files.write(scratch.resolve("list.json"), json);
    try {
      Plan.SourcesAlone read = Plan.readSources(file);
      assertEquals(Plan.VERSION, read.version());
      assertEquals(SourceFill.distinct(read.sources()), SourceFill.distinct(read.sources()));
    } catch (ClientException e) {
      assertEquals(ClientException.REFUSED, e.exitCode());
    }
  }
}
