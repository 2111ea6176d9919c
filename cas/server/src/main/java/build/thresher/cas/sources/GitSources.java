package build.thresher.cas.sources;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.sources.FetchException.Reason;
import build.thresher.cas.sources.SourceFetcher.Fetched;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Archives of commits: made once for all who ask for the same, and kept as blobs. Where no address
 * gives a commit, the archive that somebody brought to the instance's mirror is taken.
 *
 * <p>Threading: any thread; calls block.
 */
final class GitSources {
  private static final Logger LOG = LoggerFactory.getLogger(GitSources.class);

  private final Path spool;
  private final KnownSources known;
  private final SourceMirror mirror;
  private final BlobStore blobs;
  private final GitFetch git;
  private final InFlight<String> running = new InFlight<>();

  GitSources(Path spool, KnownSources known, SourceMirror mirror, BlobStore blobs, GitFetch git) {
    this.spool = spool;
    this.known = known;
    this.mirror = mirror;
    this.blobs = blobs;
    this.git = git;
  }

  /**
   * @param mirrorPath where Spack's mirrors have it; "" for nowhere
   * @throws FetchException when no address gave it; the message names each
   */
  Fetched fetch(Scope scope, GitRequest wanted, String mirrorPath, List<String> urls)
      throws IOException {
    Optional<Digest> stored = stored(scope, wanted);
    if (stored.isPresent()) {
      return new Fetched(stored.get(), "");
    }
    try {
      return running.once(wanted.key(), urls, () -> fetchFirst(scope, wanted, urls));
    } catch (FetchException e) {
      Optional<Digest> brought =
          mirrorPath.isEmpty() ? Optional.empty() : mirror.find(scope.instance(), mirrorPath);
      if (brought.isPresent()) {
        return new Fetched(brought.get(), "");
      }
      throw e;
    }
  }

  private Optional<Digest> stored(Scope scope, GitRequest wanted) throws IOException {
    Digest digest = known.find(wanted);
    return Optional.ofNullable(digest != null && blobs.contains(scope, digest) ? digest : null);
  }

  private Fetched fetchFirst(Scope scope, GitRequest wanted, List<String> urls) throws IOException {
    Optional<Digest> stored = stored(scope, wanted);
    if (stored.isPresent()) {
      return new Fetched(stored.get(), "");
    }
    StringBuilder why = new StringBuilder(wanted + " could not be fetched");
    Reason reason = Reason.NOT_THERE;
    Path file = Files.createTempFile(spool, "fetch", "");
    try {
      List<FetchException> failures = new ArrayList<>();
      for (String url : urls) {
        try {
          git.archive(url, wanted, file);
          Digest digest = SpooledFile.store(blobs, scope, file);
          known.add(wanted, digest);
          LOG.info("source {} made of {}", digest, wanted);
          return new Fetched(digest, url);
        } catch (FetchException e) {
          failures.add(e);
          reason = e.reason();
          why.append("; ").append(e.getMessage());
        }
      }
      throw new FetchException(
          reason, why.toString(), failures.isEmpty() ? null : failures.getFirst());
    } finally {
      Files.deleteIfExists(file);
    }
  }
}
