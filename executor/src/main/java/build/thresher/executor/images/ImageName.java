package build.thresher.executor.images;

import build.thresher.cas.api.Digest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What an action's {@code container-image} property names. */
sealed interface ImageName {

  /**
   * An image of a registry.
   *
   * @param registry host, with its port where it has one
   * @param repository name within the registry
   * @param reference tag or digest
   */
  record InRegistry(String registry, String repository, String reference) implements ImageName {
    boolean isDigest() {
      return reference.startsWith("sha256:");
    }

    @Override
    public String toString() {
      return registry + "/" + repository + (isDigest() ? "@" : ":") + reference;
    }
  }

  /**
   * An image whose manifest, configuration and layers are blobs of the farm's store.
   *
   * @param manifest of the image, for one platform
   */
  record InStore(Digest manifest) implements ImageName {
    @Override
    public String toString() {
      return "cas://" + manifest.hex() + "/" + manifest.sizeBytes();
    }
  }

  /** As the distribution specification has them. */
  Pattern REPOSITORY =
      Pattern.compile("[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*");

  Pattern REGISTRY =
      Pattern.compile("[A-Za-z0-9.-]+(:[0-9]{1,5})?|\\[[0-9A-Fa-f:]+\\](:[0-9]{1,5})?");
  Pattern TAG = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,127}");
  Pattern DIGEST = Pattern.compile("sha256:[0-9a-f]{64}");
  Pattern STORED = Pattern.compile("([0-9a-f]{64})/([0-9]{1,9})");
  int MAX_LENGTH = 1000;

  /**
   * Reads {@code docker://REGISTRY/NAME[:TAG|@sha256:DIGEST]} or {@code cas://HASH/SIZE}.
   *
   * @throws ImageException when it is neither
   */
  static ImageName parse(String text) throws ImageException {
    if (text.length() <= MAX_LENGTH && text.startsWith("docker://")) {
      return inRegistry(text, text.substring("docker://".length()));
    }
    if (text.startsWith("cas://")) {
      Matcher matcher = STORED.matcher(text.substring("cas://".length()));
      if (matcher.matches()) {
        return new InStore(Digest.parse(matcher.group(1), Long.parseLong(matcher.group(2))));
      }
    }
    throw malformed(text);
  }

  /** Without a tag it is {@code latest}; with tag and digest the digest counts. */
  private static ImageName inRegistry(String text, String name) throws ImageException {
    int at = name.indexOf('@');
    String digest = at < 0 ? "" : name.substring(at + 1);
    String tagged = at < 0 ? name : name.substring(0, at);
    int slash = tagged.indexOf('/');
    String first = slash < 0 ? "" : tagged.substring(0, slash);
    boolean named = first.contains(".") || first.contains(":") || first.equals("localhost");
    String registry = named ? first : "docker.io";
    String rest = named ? tagged.substring(slash + 1) : tagged;
    int colon = rest.indexOf(':');
    String repository = colon < 0 ? rest : rest.substring(0, colon);
    String tag = colon < 0 ? "latest" : rest.substring(colon + 1);
    if (registry.equals("docker.io") && !repository.contains("/")) {
      repository = "library/" + repository;
    }
    if (!REGISTRY.matcher(registry).matches()
        || !REPOSITORY.matcher(repository).matches()
        || !TAG.matcher(tag).matches()
        || (at >= 0 && !DIGEST.matcher(digest).matches())) {
      throw malformed(text);
    }
    return new InRegistry(registry, repository, at < 0 ? tag : digest);
  }

  private static ImageException malformed(String text) {
    return new ImageException(
        "the platform property container-image is \""
            + text
            + "\"; it must be docker://REGISTRY/NAME:TAG or docker://REGISTRY/NAME@sha256:DIGEST, or"
            + " cas://HASH/SIZE of an image manifest in the farm's store");
  }
}
