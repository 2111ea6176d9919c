package build.thresher.scheduler.keep;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.FileNode;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.scheduler.wire.Wire;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The leases on what the work of one instance needs. All end at the same time, so a round costs
 * what is new in it; when half of {@link #TERM} is over, the next round takes all that is needed
 * then for another term. Of a tree that is leased nothing is read, and each directory is read once
 * in a term, however many trees share it.
 *
 * <p>Not for several threads.
 */
final class LeasedBlobs {
  /** Half of it is what rounds may fail for, and a server be away, before anything can go. */
  static final Duration TERM = Duration.ofHours(6);

  /** Writers wait behind so many. */
  private static final int TOGETHER = 1_000;

  private static final int READ_COUNT = 500;
  private static final long READ_BYTES = 4L << 20;

  /** As large as an executor takes one. */
  private static final long MAX_DIRECTORY_BYTES = 16L << 20;

  private final BlobStore blobs;
  private final Scope scope;
  private Instant until = Instant.MIN;

  /** Leased until then. */
  private final Set<Digest> single = new HashSet<>();

  /** Directories that are, with all below them. */
  private final Set<Digest> whole = new HashSet<>();

  LeasedBlobs(BlobStore blobs, Scope scope) {
    this.blobs = blobs;
    this.scope = scope;
  }

  Round round(Instant now) {
    if (until.isBefore(now.plus(TERM.dividedBy(2))) || until.isAfter(now.plus(TERM))) {
      until = now.plus(TERM);
      single.clear();
      whole.clear();
    }
    return new Round();
  }

  /** Until when what was taken is leased. */
  Instant until() {
    return until;
  }

  /** What is needed now. Nothing is leased before {@link #take}. */
  final class Round {
    private final Set<Digest> blobsToLease = new LinkedHashSet<>();
    private final Set<Digest> roots = new LinkedHashSet<>();
    private final Set<Digest> some = new LinkedHashSet<>();
    private final Set<Digest> missing = new LinkedHashSet<>();
    private long leased;

    /** True when it is not leased yet, and neither is what was named along with it. */
    boolean isNew(Digest digest) {
      return !single.contains(digest) && !blobsToLease.contains(digest);
    }

    void blob(Digest digest) {
      if (!single.contains(digest)) {
        blobsToLease.add(digest);
      }
    }

    void tree(Digest root) {
      if (!whole.contains(root)) {
        roots.add(root);
      }
    }

    /**
     * Takes the leases. What fails here is named again in the next round.
     *
     * @return how many were taken
     */
    long take() throws IOException {
      Set<Digest> walked = walk();
      for (Digest digest : blobsToLease) {
        lease(digest);
      }
      flush();
      if (missing.isEmpty()) { // else whoever brings it again expects what is below it to stay
        whole.addAll(walked);
        single.addAll(blobsToLease);
      }
      return leased;
    }

    /** What work needs and the store lost; whoever runs the work finds out. */
    Set<Digest> missing() {
      return missing;
    }

    private Set<Digest> walk() throws IOException {
      Set<Digest> walked = new HashSet<>(roots);
      Set<Digest> level = roots;
      while (!level.isEmpty()) {
        for (Digest digest : level) {
          lease(digest);
        }
        flush(); // what is read is leased: it cannot go before what is below it has its turn
        Set<Digest> below = new LinkedHashSet<>();
        for (List<Digest> batch : batches(level)) {
          for (Blob blob : blobs.readAll(scope, batch)) {
            enter(blob, below);
          }
        }
        below.removeIf(digest -> whole.contains(digest) || !walked.add(digest));
        level = below;
      }
      return walked;
    }

    private List<List<Digest>> batches(Set<Digest> level) {
      List<List<Digest>> batches = new ArrayList<>();
      List<Digest> batch = new ArrayList<>();
      long bytes = 0;
      for (Digest digest : level) {
        if (missing.contains(digest) || digest.sizeBytes() > MAX_DIRECTORY_BYTES) {
          continue;
        }
        if (batch.size() == READ_COUNT || bytes + digest.sizeBytes() > READ_BYTES) {
          batches.add(batch);
          batch = new ArrayList<>();
          bytes = 0;
        }
        batch.add(digest);
        bytes += digest.sizeBytes();
      }
      batches.add(batch);
      return batches;
    }

    private void enter(Blob blob, Set<Digest> below) throws IOException {
      Directory directory;
      Set<Digest> files = new LinkedHashSet<>();
      Set<Digest> children = new LinkedHashSet<>();
      try {
        directory = Directory.parseFrom(blob.bytes());
        for (FileNode file : directory.getFilesList()) {
          files.add(Wire.digest(file.getDigest()));
        }
        for (DirectoryNode child : directory.getDirectoriesList()) {
          children.add(Wire.digest(child.getDigest()));
        }
      } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
        return; // no directory, as whoever runs the work will say
      }
      for (Digest file : files) {
        lease(file);
      }
      below.addAll(children);
    }

    private void lease(Digest digest) throws IOException {
      some.add(digest);
      if (some.size() == TOGETHER) {
        flush();
      }
    }

    private void flush() throws IOException {
      while (!some.isEmpty()) {
        try {
          blobs.lease(scope, some, until);
          leased += some.size();
          some.clear();
        } catch (BlobNotFoundException e) {
          Set<Digest> gone = new LinkedHashSet<>(blobs.findMissing(scope, some));
          gone.add(e.digest());
          some.removeAll(gone);
          missing.addAll(gone);
        }
      }
    }
  }
}
