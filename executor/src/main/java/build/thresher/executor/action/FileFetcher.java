package build.thresher.executor.action;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.Parallel;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Fetches files from the store: small ones many at a time, large ones as streams, side by side.
 * Each file appears at its place in one step, with its owner, permissions and time. The store's
 * client has checked the content against its digest. Thread-safe.
 */
final class FileFetcher {
  private static final long BATCH_BYTES = 2 << 20;
  private static final int BATCH_BLOBS = 500;

  private final BlobStore store;
  private final Owner owner;
  private final AtomicLong names = new AtomicLong();
  private final AtomicLong fetched = new AtomicLong();

  FileFetcher(BlobStore store, Owner owner) {
    this.store = store;
    this.owner = owner;
  }

  /** How many files have been fetched. */
  long fetched() {
    return fetched.get();
  }

  /**
   * @param places where each file goes; on the same file system as {@code unfinished}
   * @throws MissingInputsException naming all that the store lacks
   */
  void fetch(Scope scope, Map<FileKey, Path> places, Path unfinished) throws IOException {
    Map<Digest, List<FileKey>> byContent = new HashMap<>();
    places
        .keySet()
        .forEach(k -> byContent.computeIfAbsent(k.digest(), d -> new ArrayList<>(1)).add(k));
    List<Parallel.Transfer> transfers = new ArrayList<>();
    List<Digest> batch = new ArrayList<>();
    long bytes = 0;
    for (Digest digest : byContent.keySet()) {
      if (digest.sizeBytes() > BATCH_BYTES) {
        transfers.add(() -> stream(scope, digest, keys(byContent, digest), places, unfinished));
        continue;
      }
      if (bytes + digest.sizeBytes() > BATCH_BYTES || batch.size() == BATCH_BLOBS) {
        List<Digest> full = batch;
        transfers.add(() -> readBatch(scope, full, byContent, places, unfinished));
        batch = new ArrayList<>();
        bytes = 0;
      }
      batch.add(digest);
      bytes += digest.sizeBytes();
    }
    if (!batch.isEmpty()) {
      List<Digest> rest = batch;
      transfers.add(() -> readBatch(scope, rest, byContent, places, unfinished));
    }
    try {
      Parallel.run(transfers);
    } catch (BlobNotFoundException e) {
      Set<Digest> missing = new LinkedHashSet<>(store.findMissing(scope, byContent.keySet()));
      missing.add(e.digest());
      throw new MissingInputsException(missing);
    }
    fetched.addAndGet(places.size());
  }

  private static List<FileKey> keys(Map<Digest, List<FileKey>> byContent, Digest digest) {
    return byContent.getOrDefault(digest, List.of());
  }

  private void readBatch(
      Scope scope,
      List<Digest> batch,
      Map<Digest, List<FileKey>> byContent,
      Map<FileKey, Path> places,
      Path unfinished)
      throws IOException {
    for (Blob blob : store.readAll(scope, batch)) {
      for (FileKey key : keys(byContent, blob.digest())) {
        Path file = unfinished.resolve(Long.toString(names.incrementAndGet()));
        Files.write(file, blob.bytes());
        finish(key, file, places);
      }
    }
  }

  private void stream(
      Scope scope, Digest digest, List<FileKey> keys, Map<FileKey, Path> places, Path unfinished)
      throws IOException {
    for (FileKey key : keys) {
      Path file = unfinished.resolve(Long.toString(names.incrementAndGet()));
      try (InputStream in = store.read(scope, digest, 0, Long.MAX_VALUE);
          OutputStream out = Files.newOutputStream(file)) {
        in.transferTo(out);
      }
      finish(key, file, places);
    }
  }

  private void finish(FileKey key, Path file, Map<FileKey, Path> places) throws IOException {
    Path place = places.get(key);
    if (place == null) {
      throw new IllegalStateException("no place for " + key);
    }
    Files.setPosixFilePermissions(file, permissions(key.mode()));
    owner.own(file);
    Files.setLastModifiedTime(
        file, FileTime.from(Instant.ofEpochSecond(key.seconds(), key.nanos())));
    Files.move(file, place, StandardCopyOption.ATOMIC_MOVE);
  }

  static Set<PosixFilePermission> permissions(int mode) {
    PosixFilePermission[] highestFirst = PosixFilePermission.values();
    Set<PosixFilePermission> permissions = new HashSet<>();
    for (int i = 0; i < highestFirst.length; i++) {
      if ((mode & (0400 >> i)) != 0) {
        permissions.add(highestFirst[i]);
      }
    }
    return permissions;
  }
}
