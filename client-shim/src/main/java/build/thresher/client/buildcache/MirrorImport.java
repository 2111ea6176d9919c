package build.thresher.client.buildcache;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.Parallel;
import build.thresher.cas.client.WireDigests;
import build.thresher.client.buildcache.Mirror.Spec;
import build.thresher.v1.LegacySpec;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PushSpecRequest;
import build.thresher.v1.PushSpecResponse;
import com.fasterxml.jackson.databind.JsonNode;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Takes the specs of another mirror into an instance of the farm: uploads the blobs that the farm
 * lacks, then hands over what the other mirror says of the spec. Nothing of the other mirror is
 * changed. What was interrupted is begun again and goes on where it was, because the farm knows
 * what it has.
 *
 * <p>A spec that fails does not keep the others from being taken.
 */
public final class MirrorImport {
  private static final int CHUNK_BYTES = 1 << 20;

  private final Mirror mirror;
  private final BlobStore store;
  private final MirrorGrpc.MirrorBlockingStub farm;
  private final String instance;
  private final Scope scope;

  /**
   * @param instance of the farm; one that takes what others built
   */
  public MirrorImport(
      Mirror mirror, BlobStore store, MirrorGrpc.MirrorBlockingStub farm, String instance) {
    this.mirror = mirror;
    this.store = store;
    this.farm = farm;
    this.instance = instance;
    this.scope = new Scope(instance, "import");
  }

  /** What became of a spec. */
  public enum Fate {
    TAKEN,
    ALREADY_THERE,
    /** The farm has another archive for this hash, which stays. */
    DIFFERENT,
    FAILED
  }

  /**
   * @param bytes uploaded for it
   * @param reason why it failed; "" otherwise
   */
  public record Result(Spec spec, Fate fate, long bytes, String reason) {}

  /** Hears of each spec as it is done, one at a time. */
  public interface Listener {
    void done(Result result);
  }

  /**
   * Takes these specs; returns when every one has its result.
   *
   * @param jobs specs at a time
   * @throws StatusRuntimeException when the farm cannot be reached or refuses the caller
   */
  public void run(List<Spec> specs, int jobs, Listener listener) throws IOException {
    List<Parallel.Work<Result>> all = new ArrayList<>();
    specs.forEach(spec -> all.add(() -> take(spec)));
    Parallel.run(jobs, all, listener::done);
  }

  private Result take(Spec spec) {
    long[] uploaded = {0};
    try {
      PushSpecRequest request =
          mirror.isLegacy() ? legacyRequest(spec, uploaded) : request(spec, uploaded);
      PushSpecResponse response = farm.pushSpec(request);
      Fate fate =
          switch (response.getOutcome()) {
            case PUSH_PUBLISHED -> Fate.TAKEN;
            case PUSH_IDENTICAL -> Fate.ALREADY_THERE;
            case PUSH_DIFFERENT -> Fate.DIFFERENT;
            case PUSH_OUTCOME_UNSPECIFIED, UNRECOGNIZED -> Fate.FAILED;
          };
      String reason = fate == Fate.FAILED ? "the farm answers in words unknown here" : "";
      return new Result(spec, fate, uploaded[0], reason);
    } catch (IOException e) {
      return new Result(spec, Fate.FAILED, uploaded[0], String.valueOf(e.getMessage()));
    } catch (StatusRuntimeException e) {
      if (concernsAll(e.getStatus())) {
        throw e;
      }
      String said = e.getStatus().getDescription();
      return new Result(
          spec, Fate.FAILED, uploaded[0], said == null ? e.getStatus().getCode().name() : said);
    }
  }

  /** PERMISSION_DENIED speaks of one spec's signature. */
  private static boolean concernsAll(Status status) {
    return status.getCode() == Status.Code.UNAVAILABLE
        || status.getCode() == Status.Code.UNAUTHENTICATED
        || status.getCode() == Status.Code.UNIMPLEMENTED;
  }

  private PushSpecRequest request(Spec spec, long[] uploaded) throws IOException {
    byte[] manifest = required(spec.path(), Mirror.MAX_MANIFEST_BYTES);
    Set<Digest> named = new LinkedHashSet<>();
    for (JsonNode part : Mirror.unverified(manifest, spec.path()).path("data")) {
      named.add(
          digest(part.path("checksum").asText(), part.path("contentLength").asLong(-1), spec));
    }
    for (Digest digest : store.findMissing(scope, named)) {
      uploaded[0] += upload(digest, Mirror.blobPath(digest.hex()));
    }
    return PushSpecRequest.newBuilder()
        .setInstanceName(instance)
        .setSource(mirror.name())
        .setManifest(new String(manifest, StandardCharsets.UTF_8))
        .build();
  }

  private PushSpecRequest legacyRequest(Spec spec, long[] uploaded) throws IOException {
    byte[] text = legacySpecFile(spec);
    JsonNode all = Mirror.unverified(text, spec.path());
    String path = Mirror.legacyArchive(all.path("spec").path("nodes").path(0), spec.hash());
    String checksum = all.path("binary_cache_checksum").path("hash").asText();
    Digest archive = digest(checksum, sizeOf(path), spec);
    for (Digest digest : store.findMissing(scope, List.of(archive))) {
      uploaded[0] += upload(digest, path);
    }
    return PushSpecRequest.newBuilder()
        .setInstanceName(instance)
        .setSource(mirror.name())
        .setLegacySpec(
            LegacySpec.newBuilder()
                .setSpecFile(new String(text, StandardCharsets.UTF_8))
                .setArchive(WireDigests.toWire(archive)))
        .build();
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
    return mirror
        .files()
        .size(path)
        .orElseThrow(() -> new IOException(mirror.name() + " does not have " + path));
  }

  private long upload(Digest digest, String path) throws IOException {
    try (InputStream in = opened(path);
        BlobWriter writer = store.write(scope, digest)) {
      byte[] chunk = new byte[(int) Math.min(CHUNK_BYTES, digest.sizeBytes() + 1)];
      for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
        if (writer.position() + n > digest.sizeBytes()) {
          throw new IOException(path + " is longer than its manifest says");
        }
        writer.write(ByteBuffer.wrap(chunk, 0, n));
      }
      if (writer.position() != digest.sizeBytes()) {
        throw new IOException(
            "%s has %d bytes, its manifest says %d"
                .formatted(path, writer.position(), digest.sizeBytes()));
      }
      writer.commit();
      return digest.sizeBytes();
    }
  }

  private InputStream opened(String path) throws IOException {
    return mirror
        .files()
        .open(path)
        .orElseThrow(() -> new IOException(mirror.name() + " does not have " + path));
  }

  private byte[] required(String path, int maxBytes) throws IOException {
    return mirror
        .files()
        .read(path, maxBytes)
        .orElseThrow(() -> new IOException(mirror.name() + " does not have " + path));
  }

  private static Digest digest(String sha256, long size, Spec spec) throws IOException {
    if (!sha256.matches("[0-9a-f]{64}") || size < 0) {
      throw new IOException(spec.path() + " names a blob without a sha256 checksum or a length");
    }
    return Digest.parse(sha256, size);
  }
}
