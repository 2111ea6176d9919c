package build.thresher.cas.mirror;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the public keys of one instance are served: each key with its manifest, and the list of all.
 * The first key signs; a second one will, or did.
 */
final class InstanceKey {
  private final ImmutableList<Signer> signers;
  private final ImmutableMap<String, Served.Document> manifests;
  private final Served.Document indexManifest;
  private final ImmutableList<Served.Document> blobs;

  InstanceKey(List<Signer> given) {
    signers = ImmutableList.copyOf(given);
    ImmutableList.Builder<Served.Document> documents = ImmutableList.builder();
    ImmutableMap.Builder<String, Served.Document> named = ImmutableMap.builder();
    for (Signer signer : signers) {
      Served.Document key = Served.Document.of(signer.publicKey(), MediaTypes.KEY, true);
      documents.add(key);
      named.put(signer.fingerprint(), manifest(key, MediaTypes.KEY));
    }
    String keys =
        signers.stream()
            .map(signer -> "\"" + signer.fingerprint() + "\":{}")
            .collect(Collectors.joining(",", "{\"keys\":{", "}}"));
    Served.Document index =
        Served.Document.of(keys.getBytes(StandardCharsets.UTF_8), MediaTypes.KEY_INDEX, true);
    documents.add(index);
    blobs = documents.build();
    manifests = named.buildOrThrow();
    indexManifest = manifest(index, MediaTypes.KEY_INDEX);
  }

  Signer signer() {
    return signers.getFirst();
  }

  ImmutableList<Signer> all() {
    return signers;
  }

  List<Served.Document> blobs() {
    return blobs;
  }

  Served.@Nullable Document manifest(String fingerprint) {
    return manifests.get(fingerprint);
  }

  Served.Document indexManifest() {
    return indexManifest;
  }

  private static Served.Document manifest(Served.Document of, String mediaType) {
    byte[] json = Manifest.of(of.digest(), mediaType).json().getBytes(StandardCharsets.UTF_8);
    return Served.Document.of(json, MediaTypes.JSON, false);
  }
}
