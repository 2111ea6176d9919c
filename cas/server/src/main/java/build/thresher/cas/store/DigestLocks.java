package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;

/**
 * Keeps file and metadata of a large blob together. Writers of a blob share the lock, because any
 * of them may win; a remover has it alone, or it would delete the file that a writer just put in
 * place.
 */
final class DigestLocks {
  private final ReadWriteLock[] stripes =
      Stream.generate(ReentrantReadWriteLock::new).limit(256).toArray(ReadWriteLock[]::new);

  Lock forWriter(Digest digest) {
    return stripe(digest).readLock();
  }

  Lock forRemover(Digest digest) {
    return stripe(digest).writeLock();
  }

  /** For many together, in an order that is the same for everybody. */
  List<Lock> forRemover(Collection<Digest> digests) {
    return digests.stream()
        .map(digest -> (int) (digest.hash1() & 0xff))
        .distinct()
        .sorted()
        .map(stripe -> stripes[stripe].writeLock())
        .toList();
  }

  private ReadWriteLock stripe(Digest digest) {
    return stripes[(int) (digest.hash1() & 0xff)];
  }
}
