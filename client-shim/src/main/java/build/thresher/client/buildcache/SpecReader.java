package build.thresher.client.buildcache;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.client.buildcache.Mirror.Spec;
import build.thresher.v1.LegacySpec;
import build.thresher.v1.PushSpecRequest;
import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** What a mirror says of its specs. Nothing of it is verified here. Threading: any thread. */
final class SpecReader {
  private final Mirror mirror;
  private final boolean signatures;

  /**
   * @param signatures whether they are handed over with the specs that have one
   */
  SpecReader(Mirror mirror, boolean signatures) {
    this.mirror = mirror;
    this.signatures = signatures;
  }

  /**
   * One spec as it is to be handed over.
   *
   * @param blobs that it names, and where the mirror has them
   */
  record Described(PushSpecRequest message, ImmutableMap<Digest, String> blobs) {
    static final Described NOTHING =
        new Described(PushSpecRequest.getDefaultInstance(), ImmutableMap.of());
  }

  Described read(Spec spec) throws IOException {
    return mirror.isLegacy() ? legacy(spec) : manifest(spec);
  }

  private Described manifest(Spec spec) throws IOException {
    byte[] manifest = required(spec.path(), Mirror.MAX_MANIFEST_BYTES);
    Map<Digest, String> blobs = new LinkedHashMap<>();
    for (JsonNode part : Mirror.unverified(manifest, spec.path()).path("data")) {
      Digest digest =
          digest(part.path("checksum").asText(), part.path("contentLength").asLong(-1), spec);
      blobs.put(digest, Mirror.blobPath(digest.hex()));
    }
    return new Described(
        PushSpecRequest.newBuilder().setManifest(handedOver(manifest, spec)).build(),
        ImmutableMap.copyOf(blobs));
  }

  private Described legacy(Spec spec) throws IOException {
    byte[] text = legacySpecFile(spec);
    LegacySpecFile said = LegacySpecFile.read(text, spec.path());
    String path = Mirror.legacyArchive(said.root(), spec.hash());
    Digest archive = digest(said.checksum().path("hash").asText(), sizeOf(path), spec);
    LegacySpec legacy =
        LegacySpec.newBuilder()
            .setSpecFile(handedOver(text, spec))
            .setArchive(WireDigests.toWire(archive))
            .build();
    return new Described(
        PushSpecRequest.newBuilder().setLegacySpec(legacy).build(), ImmutableMap.of(archive, path));
  }

  private String handedOver(byte[] text, Spec spec) throws IOException {
    return signatures
        ? new String(text, StandardCharsets.UTF_8)
        : Mirror.unsigned(text, spec.path());
  }

  /** An index does not say whether a spec is signed. */
  private byte[] legacySpecFile(Spec spec) throws IOException {
    Optional<byte[]> text = mirror.files().read(spec.path(), Mirror.MAX_SPEC_FILE_BYTES);
    return text.isPresent()
        ? text.get()
        : required(spec.path().replaceFirst("\\.sig$", ""), Mirror.MAX_SPEC_FILE_BYTES);
  }

  /** Layout v2 says nowhere how large an archive is. */
  private long sizeOf(String path) throws IOException {
    return mirror.files().size(path).orElseThrow(() -> mirror.lacks(path));
  }

  private byte[] required(String path, int maxBytes) throws IOException {
    return mirror.files().read(path, maxBytes).orElseThrow(() -> mirror.lacks(path));
  }

  private static Digest digest(String sha256, long size, Spec spec) throws IOException {
    if (!sha256.matches("[0-9a-f]{64}") || size < 0) {
      throw new IOException(spec.path() + " names a blob without a sha256 checksum or a length");
    }
    return Digest.parse(sha256, size);
  }
}
