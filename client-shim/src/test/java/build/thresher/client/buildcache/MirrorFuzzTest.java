package build.thresher.client.buildcache;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;

/** What other mirrors say of what they hold. */
class MirrorFuzzTest extends HostileBytes {
  private static final String HASH = "txgvl4ydfljtbripnn2u62yweiyxxwxm";
  private static final String MANIFEST =
      "v3/manifests/spec/fl-core/fl-core-1.0-" + HASH + ".spec.manifest.json";
  private static final String SPEC_FILE = "build_cache/fl-core-1.0-" + HASH + ".spec.json";

  @TempDir Path scratch;

  @Hostile
  void aListOfKeysIsRefusedInWordsOrNamesWhatIsBelowThePrefix(byte[] xml) throws IOException {
    List<String> paths = new ArrayList<>();
    try (S3Files files = S3Files.at("s3://bucket/prefix", Map.of(), InstantSource.system())) {
      String next = files.keys(xml, paths);
      assertTrue(next.length() <= xml.length);
      assertTrue(paths.size() <= xml.length);
    } catch (IOException e) {
      assertTrue(String.valueOf(e.getMessage()).contains("s3://bucket/prefix"), e.toString());
    }
  }

  @Hostile
  void aManifestIsRefusedInWordsOrItsBlobsHaveNames(byte[] text) throws IOException {
    describe(MANIFEST, "v3/layout.json", text);
  }

  @Hostile
  void aSpecFileIsRefusedInWordsOrItsArchiveHasAName(byte[] text) throws IOException {
    describe(SPEC_FILE, "build_cache/index.json", text);
  }

  private void describe(String path, String marker, byte[] text) throws IOException {
    Path box = Files.createTempDirectory(scratch, "mirror");
    write(box, marker, "{}".getBytes(StandardCharsets.US_ASCII));
    write(box, path, text);
    try (Mirror mirror = Mirror.open(box.toString(), null)) {
      for (Mirror.Spec spec : mirror.specs()) {
        new SpecReader(mirror, false)
            .read(spec)
            .blobs()
            .forEach((digest, where) -> assertFalse(("/" + where).contains("/../"), where));
      }
    } catch (IOException e) {
      assertFalse(String.valueOf(e.getMessage()).isEmpty());
    }
  }

  private static void write(Path box, String path, byte[] content) {
    try {
      Path file = box.resolve(path);
      Files.createDirectories(file.getParent());
      Files.write(file, content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
