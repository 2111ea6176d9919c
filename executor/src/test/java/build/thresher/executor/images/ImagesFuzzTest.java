package build.thresher.executor.images;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import java.nio.charset.StandardCharsets;

/** Names of images that actions give, and what registries say of them. */
class ImagesFuzzTest extends HostileBytes {

  @Hostile
  void aManifestIsRefusedInWordsOrWithinItsLimits(byte[] json) {
    try {
      switch (Manifest.parse(json)) {
        case Manifest.Image image -> {
          assertTrue(image.layers().size() <= Manifest.MAX_LAYERS);
          image.layers().forEach(layer -> assertTrue(layer.sizeBytes() >= 0));
        }
        case Manifest.Platforms platforms ->
            assertTrue(platforms.entries().size() <= Manifest.MAX_PLATFORMS);
      }
    } catch (ImageException e) {
      assertFalse(String.valueOf(e.getMessage()).isEmpty());
    }
  }

  @Hostile
  void aNameIsRefusedOrMeansTheSameWrittenAgain(byte[] utf8) throws ImageException {
    ImageName name;
    try {
      name = ImageName.parse(new String(utf8, StandardCharsets.UTF_8));
    } catch (ImageException e) {
      return;
    }
    switch (name) {
      case ImageName.InRegistry image -> {
        assertEquals(image, ImageName.parse("docker://" + image));
        assertFalse(("/" + image.repository() + "/").contains("/../"), image.repository());
      }
      case ImageName.InStore image -> assertEquals(image, ImageName.parse(image.toString()));
    }
  }
}
