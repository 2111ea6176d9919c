package build.thresher.cas.mirror;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How the public key of one instance is served: the key, its manifest, and the list of one key. */
final class InstanceKey {
  private final Signer signer;
  private final Served.Document manifest;
  private final Served.Document indexManifest;
  private final List<Served.Document> blobs;

  InstanceKey(Signer signer) {
    this.signer = signer;
    Served.Document key = Served.Document.of(signer.publicKey(), MediaTypes.KEY, true);
    Served.Document index =
        Served.Document.of(
            ("{\"keys\":{\"" + signer.fingerprint() + "\":{}}}").getBytes(StandardCharsets.UTF_8),
            MediaTypes.KEY_INDEX,
            true);
    this.blobs = List.of(key, index);
    this.manifest = manifest(key, MediaTypes.KEY);
    this.indexManifest = manifest(index, MediaTypes.KEY_INDEX);
  }

  Signer signer() {
    return signer;
  }

  List<Served.Document> blobs() {
    return blobs;
  }

  Served.@Nullable Document manifest(String fingerprint) {
    return fingerprint.equals(signer.fingerprint()) ? manifest : null;
  }

  Served.Document indexManifest() {
    return indexManifest;
  }

  private static Served.Document manifest(Served.Document of, String mediaType) {
    byte[] json = Manifest.of(of.digest(), mediaType).json().getBytes(StandardCharsets.UTF_8);
    return Served.Document.of(json, MediaTypes.JSON, false);
  }
}
