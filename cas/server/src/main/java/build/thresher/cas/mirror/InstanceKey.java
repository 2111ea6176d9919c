package build.thresher.cas.mirror;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the public keys of one instance are served: each key with its manifest, and the list of all.
 * The first key signs; a second one will, or did. A key that left is listed no more; whoever has
 * just read the list can still read it until the next start.
 */
final class InstanceKey {
  private final ImmutableList<Signer> signers;
  private final ImmutableMap<String, Served.Document> manifests;
  private final Served.Document indexManifest;
  private final ImmutableList<Served.Document> blobs;

  InstanceKey(List<Signer> given) {
    this(given, ImmutableMap.of());
  }

  private InstanceKey(List<Signer> given, Map<String, Served.Document> former) {
    signers = ImmutableList.copyOf(given);
    ImmutableList.Builder<Served.Document> documents = ImmutableList.builder();
    ImmutableMap.Builder<String, Served.Document> named = ImmutableMap.builder();
    named.putAll(former);
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
    manifests = named.buildKeepingLast();
    indexManifest = manifest(index, MediaTypes.KEY_INDEX);
  }

  /** The same instance with other keys. */
  InstanceKey with(List<Signer> others) {
    return new InstanceKey(others, manifests);
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
