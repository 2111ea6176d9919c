package build.thresher.cas.sources;

import build.thresher.cas.actions.NamedBlobs;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.StoreException;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.sources.FetchException.Reason;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import com.google.common.util.concurrent.Striped;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Unpacks archives of the store into trees of the store, each once, as long as its tree is whole.
 * What an archive may hold is limited, and only a few are unpacked at a time.
 *
 * <p>Threading: any thread; calls block.
 */
final class Archives {
  private static final Logger LOG = LoggerFactory.getLogger(Archives.class);

  /** The source of a large compiler has 150,000; each costs memory while it is unpacked. */
  private static final int MAX_ENTRIES = 200_000;

  private static final int MAX_DEPTH = 200;

  private final Path spool;
  private final KnownSources known;
  private final BlobStore blobs;
  private final ArchiveTree.Limits limits;
  private final DiskReserve reserve;

  /** One archive has always the same; two are all that may be busy. */
  private final Striped<Lock> locks = Striped.lock(2);

  Archives(Path spool, KnownSources known, BlobStore blobs, long maxBytes, DiskReserve reserve) {
    this.spool = spool;
    this.known = known;
    this.blobs = blobs;
    this.reserve = reserve;
    this.limits = new ArchiveTree.Limits(maxBytes, MAX_ENTRIES, MAX_DEPTH);
  }

  /**
   * @param directory of the archive; "" for all of it
   * @throws FetchException when it is no archive, or one that is refused
   */
  Digest unpack(Scope scope, Digest archive, String directory) throws IOException {
    Digest before = whole(scope, archive, directory);
    if (before != null) {
      return before;
    }
    Lock lock = locks.get(archive);
    lock.lock();
    try {
      Digest meanwhile = whole(scope, archive, directory);
      return meanwhile != null ? meanwhile : unpackNow(scope, archive, directory);
    } finally {
      lock.unlock();
    }
  }

  private @Nullable Digest whole(Scope scope, Digest archive, String directory) throws IOException {
    Digest root = known.findTree(archive, directory);
    if (root == null) {
      return null;
    }
    try {
      var unused = NamedBlobs.requireAll(blobs, scope, List.of(), List.of(root));
      return root;
    } catch (BlobNotFoundException e) {
      return null;
    }
  }

  private Digest unpackNow(Scope scope, Digest archive, String directory) throws IOException {
    Path work = Files.createTempDirectory(spool, "unpack");
    try {
      Path file = work.resolve("archive");
      try (InputStream in = blobs.read(scope, archive, 0, Long.MAX_VALUE);
          OutputStream out = Files.newOutputStream(file)) {
        reserve.copy(in, out);
      }
      Path files = Files.createDirectory(work.resolve("files"));
      LocalTree tree = new ArchiveTree(files, directory, limits, reserve).read(file);
      TreeUploader.Uploaded uploaded = new TreeUploader(blobs, scope).upload(tree);
      known.addTree(archive, directory, tree.root());
      LOG.info("archive {} unpacked to {}: {}", archive, tree.root(), uploaded);
      return tree.root();
    } catch (UncheckedIOException e) {
      if (e.getCause() instanceof StoreException full) {
        throw full;
      }
      throw e;
    } catch (BlobNotFoundException | DigestMismatchException e) {
      throw new FetchException(
          Reason.UNREACHABLE, "what was unpacked went while it was unpacked; ask again", e);
    } finally {
      MoreFiles.deleteRecursively(work, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }
}
