package build.thresher.cas.sources;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreException;
import build.thresher.cas.sources.FetchException.Reason;
import com.google.common.collect.ImmutableMap;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a source into the store: from the store itself, from the configured mirrors, then from the
 * addresses given, in order.
 *
 * <p>Guarantees that nothing is stored whose checksums are not those asked for, that an address
 * given by a client leads to no private network (redirects included, unless configured), and that
 * one source is fetched once however many ask.
 *
 * <p>Threading: any thread; calls block.
 */
public final class SourceFetcher implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SourceFetcher.class);
  private static final int MAX_REDIRECTS = 10;
  private static final int BUFFER_BYTES = 64 << 10;

  private final Path spool;
  private final KnownSources known;
  private final SourceMirror mirror;
  private final BlobStore blobs;
  private final SourceOptions options;
  private final DiskReserve reserve;
  private final LongSupplier nanoTime;
  private final MirrorOrder mirrors;
  private final GitSources git;
  private final InFlight<Checksums> running = new InFlight<>();
  private final ConcurrentHashMap<Checksums, Arrival> arriving = new ConcurrentHashMap<>();
  private final Archives archives;

  private SourceFetcher(
      Path spool,
      KnownSources known,
      SourceMirror mirror,
      BlobStore blobs,
      SourceOptions options,
      LongSupplier nanoTime) {
    this.spool = spool;
    this.known = known;
    this.mirror = mirror;
    this.blobs = blobs;
    this.options = options;
    this.nanoTime = nanoTime;
    this.mirrors = new MirrorOrder(options.mirrors(), nanoTime);
    this.reserve = new DiskReserve(spool, options.reserveBytes());
    this.archives = new Archives(spool, known, blobs, options.maxBytes(), reserve);
    GitFetch fetch = new GitFetch(spool, options, reserve, nanoTime);
    this.git = new GitSources(spool, known, mirror, blobs, fetch);
  }

  /**
   * @param dir a directory of the fetcher's own; files half fetched by an earlier run are removed
   */
  public static SourceFetcher open(
      Path dir, BlobStore blobs, SourceOptions options, LongSupplier nanoTime) throws IOException {
    Path spool = Files.createDirectories(dir.resolve("spool"));
    try (Stream<Path> left = Files.list(spool)) {
      for (Path file : left.toList()) {
        MoreFiles.deleteRecursively(file, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    }
    KnownSources known = KnownSources.open(dir.resolve("known"));
    try {
      SourceMirror mirror = new SourceMirror(SourceTable.open(dir.resolve("names")), known, blobs);
      return new SourceFetcher(spool, known, mirror, blobs, options, nanoTime);
    } catch (IOException | RuntimeException e) {
      known.close();
      throw e;
    }
  }

  /** Where what was fetched is served from. */
  public SourceMirror mirror() {
    return mirror;
  }

  /**
   * @param from the address that gave it; "" for the store, and where another caller's gave it
   */
  record Fetched(Digest digest, String from) {}

  /**
   * An address, and what is sent to it alone.
   *
   * @param headers by lower-case name; they may hold secrets
   */
  record Address(String uri, ImmutableMap<String, String> headers) {}

  /**
   * @param mirrorPath below a source mirror; "" to leave the mirrors out
   * @throws FetchException when no address gave it; the message names each
   */
  Fetched fetch(Scope scope, Checksums checksums, String mirrorPath, List<Address> addresses)
      throws IOException {
    Digest stored = stored(scope, checksums);
    return stored != null
        ? new Fetched(stored, "")
        : running.once(
            checksums,
            List.of(mirrorPath, addresses),
            () -> fetchFirst(scope, checksums, mirrorPath, addresses));
  }

  /** What of a source has come, where a fetch of it has begun and is not over. */
  Optional<Arrival> arriving(Checksums checksums) {
    return Optional.ofNullable(arriving.get(checksums));
  }

  SourceOptions options() {
    return options;
  }

  /** Archives of commits. */
  GitSources git() {
    return git;
  }

  /**
   * The tree that an archive of the store unpacks to; see {@link ArchiveTree} for what is refused.
   *
   * @param directory of the archive; "" for all of it
   * @return the root directory, which is in the store with all below it
   */
  Digest unpack(Scope scope, Digest archive, String directory) throws IOException {
    return archives.unpack(scope, archive, directory);
  }

  /** A source that is known to be what is wanted, and is in the store. */
  private @Nullable Digest stored(Scope scope, Checksums checksums) throws IOException {
    List<@Nullable Digest> known = new ArrayList<>();
    if (checksums.isSha256Only()) {
      for (Digest sha256 : checksums.sha256()) {
        known.add(this.known.find(sha256));
      }
    } else {
      known.add(this.known.find(checksums));
    }
    for (Digest one : known) {
      if (one != null && blobs.contains(scope, one)) {
        return one;
      }
    }
    return null;
  }

  @Override
  public void close() {
    mirror.close();
    known.close();
  }

  private Fetched fetchFirst(
      Scope scope, Checksums checksums, String mirrorPath, List<Address> addresses)
      throws IOException {
    // A fetch may have ended between the look and the joining.
    Digest stored = stored(scope, checksums);
    if (stored != null) {
      return new Fetched(stored, "");
    }
    Path file = Files.createTempFile(spool, "fetch", "");
    Arrival arrival = new Arrival(file);
    arriving.put(checksums, arrival);
    try {
      List<FetchException> failures = new ArrayList<>();
      for (Candidate candidate : candidates(mirrorPath, addresses)) {
        try {
          Digest digest = download(candidate, checksums, file, arrival);
          store(scope, checksums, digest, file);
          LOG.info("source {} fetched from {}", digest, Addresses.shown(parse(candidate.uri())));
          return new Fetched(digest, candidate.uri());
        } catch (FetchException e) {
          failures.add(e);
          if (e.reason() == Reason.UNREACHABLE) {
            candidate.mirror().ifPresent(mirrors::didNotAnswer);
          }
        }
      }
      throw summary(checksums, failures);
    } finally {
      arriving.remove(checksums, arrival);
      arrival.ends();
      Files.deleteIfExists(file);
    }
  }

  /**
   * @param mirror the configured one that it belongs to, which is trusted with any address
   */
  private record Candidate(String uri, ImmutableMap<String, String> headers, Optional<URI> mirror) {
    boolean trusted() {
      return mirror.isPresent();
    }
  }

  private List<Candidate> candidates(String mirrorPath, List<Address> addresses) {
    List<Candidate> all = new ArrayList<>();
    for (URI mirror : mirrors.now()) {
      if (!mirrorPath.isEmpty()) {
        String base = mirror.toString();
        String slash = base.endsWith("/") ? "" : "/";
        all.add(new Candidate(base + slash + mirrorPath, ImmutableMap.of(), Optional.of(mirror)));
      }
    }
    addresses.forEach(a -> all.add(new Candidate(a.uri(), a.headers(), Optional.empty())));
    return all;
  }

  /** The most telling reason wins; the text tells all. */
  private static FetchException summary(Checksums checksums, List<FetchException> failures) {
    Reason reason =
        failures.stream().map(FetchException::reason).max(Enum::compareTo).orElse(Reason.NOT_THERE);
    for (Reason telling : List.of(Reason.FORBIDDEN, Reason.WRONG_CONTENT, Reason.TOO_LARGE)) {
      if (failures.stream().anyMatch(f -> f.reason() == telling)) {
        reason = telling;
        break;
      }
    }
    StringBuilder text = new StringBuilder("the source " + checksums + " could not be fetched");
    failures.forEach(f -> text.append("; ").append(f.getMessage()));
    if (failures.isEmpty()) {
      text.append(": it is not in the store and no address was given");
    }
    return new FetchException(reason, text.toString());
  }

  private Digest download(Candidate candidate, Checksums checksums, Path file, Arrival arrival)
      throws IOException {
    URI first = parse(candidate.uri());
    URI uri = first;
    long deadline = nanoTime.getAsLong() + options.fetchTimeout().toNanos();
    try {
      if ("file".equals(uri.getScheme()) && candidate.trusted()) {
        return copyFile(uri, checksums, file, arrival);
      }
      for (int hops = 0; hops <= MAX_REDIRECTS; hops++) {
        requireHttp(uri);
        boolean allowPrivate =
            options.allowPrivateAddresses() || (candidate.trusted() && hops == 0);
        InetAddress address = Addresses.resolve(uri.getHost(), allowPrivate);
        Map<String, String> headers = isSameOrigin(first, uri) ? candidate.headers() : Map.of();
        try (HttpSource source = HttpSource.open(uri, address, options.readTimeout(), headers)) {
          String location = source.header("location");
          if (source.status() / 100 == 3 && !location.isEmpty()) {
            uri = parse(uri.resolve(parse(location)).toString());
            continue;
          }
          requireOk(uri, source.status());
          return receive(uri, source.body(), checksums, file, arrival, deadline);
        }
      }
      throw new FetchException(
          Reason.UNREACHABLE, Addresses.shown(first) + " redirects without end");
    } catch (FetchException | StoreException e) {
      throw e;
    } catch (IOException e) {
      String shown = Addresses.shown(uri);
      throw new FetchException(Reason.UNREACHABLE, shown + ": " + e.getMessage(), e);
    }
  }

  /** What was meant for one server is not told to where it redirects. */
  private static boolean isSameOrigin(URI a, URI b) {
    return Objects.equals(a.getScheme(), b.getScheme())
        && Objects.equals(a.getRawAuthority(), b.getRawAuthority());
  }

  private static void requireOk(URI uri, int status) throws FetchException {
    if (status != 200) {
      Reason reason = status == 404 || status == 410 ? Reason.NOT_THERE : Reason.UNREACHABLE;
      throw new FetchException(reason, Addresses.shown(uri) + " answers " + status);
    }
  }

  private static URI parse(String text) throws FetchException {
    try {
      return new URI(text);
    } catch (URISyntaxException e) {
      // Without the text, and without the cause, which has it: it may be secret.
      throw new FetchException(
          Reason.MALFORMED, "malformed address: " + e.getReason() + " at " + e.getIndex());
    }
  }

  static void requireHttp(URI uri) throws FetchException {
    String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
    boolean http = scheme.equals("http") || scheme.equals("https");
    if (!http || uri.getHost() == null || uri.getRawUserInfo() != null) {
      throw new FetchException(
          Reason.FORBIDDEN,
          Addresses.shown(uri)
              + " is not fetched: only http and https addresses without a user name are");
    }
  }

  private Digest copyFile(URI uri, Checksums checksums, Path file, Arrival arrival)
      throws IOException {
    Path path = Path.of(uri);
    if (!Files.isRegularFile(path)) {
      throw new FetchException(Reason.NOT_THERE, path + " is not there");
    }
    try (InputStream in = Files.newInputStream(path)) {
      return receive(uri, in, checksums, file, arrival, Long.MAX_VALUE);
    }
  }

  private Digest receive(
      URI uri, InputStream in, Checksums checksums, Path file, Arrival arrival, long deadline)
      throws IOException {
    arrival.begins();
    Checksums.Check check = checksums.new Check();
    long size = 0;
    byte[] buffer = new byte[BUFFER_BYTES];
    try (OutputStream out = reserve.guard(Files.newOutputStream(file, LinkOption.NOFOLLOW_LINKS))) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        size += n;
        if (size > options.maxBytes()) {
          throw new FetchException(
              Reason.TOO_LARGE,
              Addresses.shown(uri) + " has more than " + options.maxBytes() + " bytes");
        }
        if (deadline != Long.MAX_VALUE && nanoTime.getAsLong() - deadline > 0) {
          throw new FetchException(
              Reason.UNREACHABLE,
              Addresses.shown(uri) + " took longer than " + readable(options.fetchTimeout()));
        }
        check.update(buffer, n);
        out.write(buffer, 0, n);
        arrival.wrote(n);
      }
    }
    Checksums.Outcome outcome = check.end();
    if (!outcome.matches()) {
      throw new FetchException(
          Reason.WRONG_CONTENT,
          "%s has the sha256 %s and is another than asked for"
              .formatted(Addresses.shown(uri), outcome.digest().hex()));
    }
    arrival.isVerified();
    return outcome.digest();
  }

  private static String readable(Duration time) {
    return time.toSeconds() + " s";
  }

  /** Blob first: the table may only name what the store has acknowledged. */
  private void store(Scope scope, Checksums checksums, Digest digest, Path file)
      throws IOException {
    SpooledFile.store(blobs, scope, digest, file);
    known.add(digest);
    if (!checksums.isSha256Only()) {
      known.add(checksums, digest);
    }
  }
}
