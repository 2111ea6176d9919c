package build.thresher.executor.images;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.executor.images.ImageName.InRegistry;
import build.thresher.executor.images.ImageName.InStore;
import build.thresher.executor.inputs.ImageCache;
import java.io.Closeable;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Container images as directories: each fetched and unpacked once on this host, by its digest, for
 * all executors with the same work directory. Every blob is verified against the digest that named
 * it; what a tag means is asked again after some minutes. Thread-safe.
 */
public final class Images implements Closeable {
  private static final Logger log = LoggerFactory.getLogger(Images.class);
  private static final Duration TAG_IS_VALID = Duration.ofMinutes(5);
  private static final int TAGS = 1000;

  private final ImageCache cache;
  private final BlobStore store;
  private final ImageOptions options;
  private final InstantSource clock;
  private final List<String> mountPoints;
  private final String architecture;
  private final HttpClient http =
      HttpClient.newBuilder()
          .followRedirects(HttpClient.Redirect.NEVER)
          .connectTimeout(Duration.ofSeconds(20))
          .build();

  /** Guarded by itself. */
  private final Map<String, Resolved> tags = new LinkedHashMap<>();

  /** What a tag meant. */
  private record Resolved(Manifest.Image image, String key, Instant when) {}

  /**
   * @param root directory of the cache
   * @param mountPoints directories that every unpacked image has
   * @param architecture as {@code os.arch} names it
   */
  public Images(
      Path root,
      BlobStore store,
      ImageOptions options,
      List<String> mountPoints,
      String architecture,
      InstantSource clock)
      throws IOException {
    this.cache = new ImageCache(root, options.cacheBytes(), clock);
    this.store = store;
    this.options = options;
    this.mountPoints = List.copyOf(mountPoints);
    this.architecture =
        switch (architecture) {
          case "x86_64" -> "amd64";
          case "aarch64" -> "arm64";
          default -> architecture;
        };
    this.clock = clock;
  }

  /**
   * Returns the root of an image, unpacked by now by somebody, to be shown read-only.
   *
   * @param name as the property has it
   * @throws ImageException when there is no such image or it is not allowed, with what to do
   */
  public ImageCache.Root acquire(Scope scope, String name)
      throws IOException, InterruptedException {
    return switch (ImageName.parse(name)) {
      case InRegistry image -> fromRegistry(image);
      case InStore image -> fromStore(scope, image);
    };
  }

  private ImageCache.Root fromRegistry(InRegistry name) throws IOException, InterruptedException {
    String address =
        options
            .address(name.registry())
            .orElseThrow(
                () ->
                    new ImageException(
                        "this executor takes no container images from "
                            + name.registry()
                            + ": add it to executor.registries in its configuration"));
    Registry registry = new Registry(http, address, name);
    Resolved resolved = resolve(registry, name);
    return cache.acquire(resolved.key(), into -> unpack(name, resolved.image(), registry, into));
  }

  private Resolved resolve(Registry registry, InRegistry name) throws IOException {
    String text = name.toString();
    Instant now = clock.instant();
    synchronized (tags) {
      Resolved known = tags.get(text);
      if (known != null && (name.isDigest() || known.when().plus(TAG_IS_VALID).isAfter(now))) {
        return known;
      }
    }
    byte[] bytes = registry.manifest(name.reference());
    Digest digest = Digest.of(bytes);
    if (name.isDigest() && !name.reference().equals("sha256:" + digest.hex())) {
      throw new IOException("the registry gives another manifest than " + name);
    }
    Manifest.Image image =
        switch (Manifest.parse(bytes)) {
          case Manifest.Image one -> one;
          case Manifest.Platforms all -> {
            digest = ofThisMachine(all, name.toString());
            byte[] chosen = registry.manifest("sha256:" + digest.hex());
            if (!Digest.of(chosen).equals(digest)) {
              throw new IOException("the registry gives another manifest than it lists in " + name);
            }
            yield single(chosen, name.toString());
          }
        };
    Resolved resolved = new Resolved(image, digest.hex(), now);
    synchronized (tags) {
      if (tags.size() >= TAGS) {
        tags.remove(tags.keySet().iterator().next());
      }
      tags.put(text, resolved);
    }
    return resolved;
  }

  /** The key holds the instance: what one of them holds is not for another. */
  private ImageCache.Root fromStore(Scope scope, InStore name)
      throws IOException, InterruptedException {
    Digest key = Digest.of((name + " in " + scope).getBytes(StandardCharsets.UTF_8));
    return cache.acquire(
        key.hex(),
        into -> {
          byte[] bytes = manifest(scope, name.manifest());
          Manifest.Image image =
              switch (Manifest.parse(bytes)) {
                case Manifest.Image one -> one;
                case Manifest.Platforms all ->
                    single(manifest(scope, ofThisMachine(all, name.toString())), name.toString());
              };
          unpack(name, image, layer -> store.read(scope, layer, 0, Long.MAX_VALUE), into);
        });
  }

  private byte[] manifest(Scope scope, Digest digest) throws IOException {
    if (digest.sizeBytes() > Manifest.MAX_BYTES) {
      throw new ImageException("the blob " + digest + " is larger than manifests are");
    }
    try {
      return store.readAll(scope, digest);
    } catch (BlobNotFoundException e) {
      throw new ImageException("the farm's store does not have the image manifest " + digest);
    }
  }

  private Digest ofThisMachine(Manifest.Platforms all, String name) throws ImageException {
    Optional<Digest> digest = all.of(architecture);
    return digest.orElseThrow(
        () -> new ImageException("there is no image for linux/" + architecture + " in " + name));
  }

  private static Manifest.Image single(byte[] manifest, String name) throws ImageException {
    if (Manifest.parse(manifest) instanceof Manifest.Image image) {
      return image;
    }
    throw new ImageException("the index of " + name + " names another index");
  }

  private void unpack(ImageName name, Manifest.Image image, BlobSource source, Path into)
      throws IOException {
    log.info("unpacks the image {}: {} layers", name, image.layers().size());
    Layers layers = new Layers(into, Layers.Limits.GENEROUS);
    for (Digest digest : image.layers()) {
      try (InputStream in = source.open(digest);
          VerifiedStream verified = new VerifiedStream(in, digest)) {
        layers.add(new Unclosed(verified));
        verified.verify();
      } catch (BlobNotFoundException e) {
        throw new ImageException("the farm's store does not have the layer " + digest);
      }
    }
    layers.mountPoints(mountPoints);
  }

  /** What is behind the archive counts too, and is still to be read. */
  private static final class Unclosed extends FilterInputStream {
    private Unclosed(InputStream in) {
      super(in);
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      return in.read(buffer, offset, length);
    }

    @Override
    public void close() {}
  }

  @Override
  public void close() throws IOException {
    http.shutdownNow();
    cache.close();
  }
}
