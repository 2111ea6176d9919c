package build.thresher.deploy.powercut;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.spack.DagHash;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The seven specs of a mirror that Spack wrote, as files. */
final class SpackSpecs {
  /** Who signed them. */
  static final Path KEY =
      Path.of("../cas/server/src/test/resources/spack/v3-signed.pub.asc").toAbsolutePath();

  private static final Path MIRROR = Path.of("../cas/server/src/test/resources/spack/v3-signed");
  private static final Pattern CHECKSUM = Pattern.compile("\"checksum\":\"([0-9a-f]{64})\"");
  private static final Pattern HASH = Pattern.compile("-([a-z2-7]{32})\\.spec\\.manifest\\.json");

  private SpackSpecs() {}

  static List<Path> manifests() throws IOException {
    try (Stream<Path> walk = Files.walk(MIRROR.resolve("v3/manifests/spec"))) {
      return walk.filter(Files::isRegularFile).sorted().toList();
    }
  }

  static List<Blob> blobsOf(Path manifest) throws IOException {
    List<Blob> blobs = new ArrayList<>();
    Matcher checksum = CHECKSUM.matcher(Files.readString(manifest));
    while (checksum.find()) {
      String hex = checksum.group(1);
      Path blob = MIRROR.resolve("blobs/sha256").resolve(hex.substring(0, 2)).resolve(hex);
      blobs.add(Blob.of(Files.readAllBytes(blob)));
    }
    return blobs;
  }

  static DagHash hashOf(Path manifest) {
    Matcher hash = HASH.matcher(manifest.getFileName().toString());
    if (!hash.find()) {
      throw new IllegalArgumentException(manifest + " is not named as a manifest");
    }
    return new DagHash(hash.group(1));
  }
}
