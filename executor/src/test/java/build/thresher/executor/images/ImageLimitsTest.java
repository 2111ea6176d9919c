package build.thresher.executor.images;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.executor.testing.TestImage.Layer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Each limit on what an image may hold, one beyond it and, where it is quick, at it. */
final class ImageLimitsTest {
  @TempDir Path root;

  private void add(Layers layers, byte[] tar) throws IOException {
    layers.add(new ByteArrayInputStream(tar));
  }

  private Layers layers(long bytes, long entries) {
    return new Layers(root, new Layers.Limits(bytes, entries));
  }

  private static void refused(String why, Executable action) {
    IOException e = assertThrows(IOException.class, action);
    assertTrue(String.valueOf(e.getMessage()).contains(why), e.toString());
  }

  @Test
  void entriesOfAllLayersAreCounted() throws Exception {
    Layers layers = layers(1_000, 3);
    add(layers, new Layer().file("a", "").directory("d").tar());
    add(layers, new Layer().file("a", "again").tar());
    byte[] more = new Layer().file("b", "").tar();
    refused("more than 3 entries", () -> add(layers, more));
  }

  @Test
  void bytesOfAllLayersAreCountedWhatIsHiddenIncluded() throws Exception {
    Layers layers = layers(1_000, 100);
    add(layers, new Layer().file("a", "1".repeat(600)).tar());
    add(layers, new Layer().file(".wh.a", "").file("b", "2".repeat(400)).tar());
    byte[] more = new Layer().file("c", "3").tar();
    refused("1000 bytes", () -> add(layers, more));
  }

  @Test
  void aLayerThatUnpacksToMoreThanItSaysIsStoppedBeforeItIsWritten() throws Exception {
    Layers layers = layers(1_000, 100);
    ByteArrayOutputStream zipped = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(zipped)) {
      gzip.write(new Layer().file("bomb", "0".repeat(1 << 20)).tar());
    }
    refused("1000 bytes", () -> add(layers, zipped.toByteArray()));
    assertTrue(Files.notExists(root.resolve("bomb")));
  }

  @Test
  void directoriesInOneAnotherEnd() throws Exception {
    add(layers(1_000, 100), new Layer().file("d/".repeat(255) + "f", "").tar());
    byte[] deeper = new Layer().file("e/".repeat(256) + "f", "").tar();
    refused("more than 256 directories deep", () -> add(layers(1_000, 100), deeper));
  }

  @Test
  void namesThatDoNotEndAreNotKeptInMemory() throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes)) {
      TarArchiveEntry name = new TarArchiveEntry("l", TarConstants.LF_GNUTYPE_LONGNAME);
      byte[] text = "n".repeat(3 << 20).getBytes(StandardCharsets.US_ASCII);
      name.setSize(text.length);
      tar.putArchiveEntry(name);
      tar.write(text);
      tar.closeArchiveEntry();
    }
    refused("a header of the archive", () -> add(layers(1_000, 100), bytes.toByteArray()));
  }

  @Test
  void devicesAreLeftOut() throws Exception {
    add(layers(1_000, 100), new Layer().device("dev").file("f", "content").tar());
    assertFalse(Files.exists(root.resolve("dev")));
    assertEquals("content", Files.readString(root.resolve("f")));
  }

  @Test
  void layersAndPlatformsOfAManifestEnd() throws Exception {
    String digest = "sha256:" + Digest.EMPTY.hex();
    String layer =
        "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"size\":0,\"digest\":\"%s\"}"
            .formatted(digest);
    Manifest most = parse("layers", layer, Manifest.MAX_LAYERS);
    assertEquals(Manifest.MAX_LAYERS, ((Manifest.Image) most).layers().size());
    refused("more than 256 layers", () -> parse("layers", layer, Manifest.MAX_LAYERS + 1));
    refused("more than 1000 entries", () -> parse("manifests", layer, Manifest.MAX_PLATFORMS + 1));
  }

  private static Manifest parse(String list, String one, int count) throws IOException {
    String all = String.join(",", Collections.nCopies(count, one));
    return Manifest.parse("{\"%s\":[%s]}".formatted(list, all).getBytes(StandardCharsets.UTF_8));
  }
}
