package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.executor.inputs.FileTrees;
import com.google.common.collect.Sets;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Input roots written out once and used as the lower layers of overlays. A root is whole, made of
 * hard links to the content cache, or the difference to a whole one: a root that differs in one
 * file costs one file. Nobody but this class writes in them.
 *
 * <p>Whole roots and differences that nobody uses are given up, the least recently used first, when
 * there are too many names in all or the content cache needs room. All are gone after a restart;
 * the contents stay. Thread-safe; who wants a root that somebody writes waits for it.
 */
final class RootLayers implements Closeable {
  private static final Logger log = LoggerFactory.getLogger(RootLayers.class);
  private static final long MAX_ENTRIES = 3_000_000;
  private static final int BASES_LOOKED_AT = 8;

  private final Path directory;
  private final ContentCache cache;
  private final Kernel kernel;
  private final Owner owner;

  /** In order of use, the oldest first. */
  private final Map<Digest, Root> roots = new LinkedHashMap<>(16, 0.75f, true);

  private final ExecutorService sweeper =
      Executors.newSingleThreadExecutor(Thread.ofVirtual().name("roots-sweeper").factory());
  private final AtomicLong names = new AtomicLong();
  private long entries;
  private long written;

  /** What every root costs besides its names. */
  private static final int ROOT_ENTRIES = 100;

  /** One root. The tree is kept of whole roots, to compare others with. */
  private static final class Root {
    final Path path;
    Optional<InputTree> whole = Optional.empty();
    Optional<Root> base = Optional.empty();
    Set<FileKey> files;
    boolean ready;
    long entries;
    int users = 1;

    Root(Path path, Set<FileKey> files) {
      this.path = path;
      this.files = files;
    }
  }

  /** A whole root to build upon, and how many names differ. */
  private record Base(Root root, InputTree tree, long difference) {}

  /** A root in use; close when the last overlay over it is gone. */
  final class Use implements Closeable {
    private final Root root;

    private Use(Root root) {
      this.root = root;
    }

    /** The layers, the first above the second. */
    List<Path> paths() {
      return root.base.map(base -> List.of(root.path, base.path)).orElse(List.of(root.path));
    }

    @Override
    public void close() {
      synchronized (RootLayers.this) {
        root.users--;
      }
      trim();
    }
  }

  /**
   * @param directory for the roots, on the file system of the cache; emptied
   */
  RootLayers(Path directory, ContentCache cache, Kernel kernel, Owner owner) throws IOException {
    this.directory = directory;
    this.cache = cache;
    this.kernel = kernel;
    this.owner = owner;
    FileTrees.delete(directory);
    FileTrees.createReadable(directory);
  }

  /** Names written since start, for tests and measurements. */
  synchronized long written() {
    return written;
  }

  /** Returns the root, written by now by somebody. */
  Use acquire(Scope scope, Digest digest, InputRoots.Loader loader) throws IOException {
    Optional<Root> known = find(digest);
    if (known.isPresent()) {
      return new Use(known.get());
    }
    InputTree tree = loader.load();
    Set<FileKey> files = tree.files();
    cache.acquire(scope, files);
    Root root = new Root(directory.resolve(Long.toString(names.incrementAndGet())), files);
    Optional<Root> other;
    synchronized (this) {
      other = find(digest);
      if (other.isEmpty()) {
        roots.put(digest, root);
      }
    }
    if (other.isPresent()) {
      cache.release(files);
      return new Use(other.get());
    }
    write(digest, tree, root);
    trim();
    return new Use(root);
  }

  /** Waits for one that is being written. */
  private synchronized Optional<Root> find(Digest digest) throws IOException {
    while (true) {
      Root root = roots.get(digest);
      if (root == null) {
        return Optional.empty();
      }
      if (root.ready) {
        root.users++;
        return Optional.of(root);
      }
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("interrupted while an input root is written");
      }
    }
  }

  /** The whole roots used last, held so that they stay. */
  private synchronized List<Root> bases() {
    List<Root> bases = new ArrayList<>();
    for (Root root : new ArrayList<>(roots.values()).reversed()) {
      if (root.ready && root.whole.isPresent() && bases.size() < BASES_LOOKED_AT) {
        root.users++;
        bases.add(root);
      }
    }
    return bases;
  }

  private void write(Digest digest, InputTree tree, Root root) throws IOException {
    List<Root> bases = bases();
    Optional<Base> base = Optional.empty();
    boolean done = false;
    try {
      base = closest(tree, bases);
      owner.directory(root.path);
      RootWriter writer = new RootWriter(tree, owner, this::link);
      if (base.isPresent()) {
        RootDifference.write(base.get().tree(), tree, root.path, writer, owner, kernel::whiteout);
      } else {
        writer.fill(digest, root.path);
      }
      done = true;
    } finally {
      if (!done) {
        FileTrees.delete(root.path);
      }
      settle(digest, tree, root, base, done);
      synchronized (this) {
        bases.forEach(other -> other.users--);
      }
    }
  }

  private void settle(Digest digest, InputTree tree, Root root, Optional<Base> base, boolean done) {
    Set<FileKey> needless = new HashSet<>(root.files);
    synchronized (this) {
      if (done) {
        long names = base.map(Base::difference).orElseGet(() -> tree.entries(digest));
        root.entries = names + ROOT_ENTRIES;
        entries += root.entries;
        written += names;
        if (base.isPresent()) {
          root.base = Optional.of(base.get().root());
          base.get().root().users++;
          // The base holds what it has in common with this root.
          needless.retainAll(base.get().root().files);
          root.files = Set.copyOf(Sets.difference(root.files, needless));
        } else {
          root.whole = Optional.of(tree);
          needless.clear();
        }
        root.ready = true;
      } else {
        roots.remove(digest);
      }
      notifyAll();
    }
    cache.release(needless);
  }

  /** The whole root from which the new one differs least, if that saves at least half. */
  private static Optional<Base> closest(InputTree tree, List<Root> bases) throws IOException {
    long limit = tree.entries(tree.root()) / 2;
    Optional<Base> closest = Optional.empty();
    for (Root root : bases) {
      InputTree whole = root.whole.orElseThrow();
      long difference = RootDifference.cost(whole, tree, limit);
      if (difference <= limit) {
        limit = difference - 1;
        closest = Optional.of(new Base(root, whole, difference));
      }
    }
    return closest;
  }

  private void link(FileKey key, Path at) throws IOException {
    Path file = cache.path(key);
    try {
      Files.createLink(at, file);
    } catch (FileSystemException e) {
      // An inode has only so many names (65,000 on ext4), and every empty file wants the same one.
      Files.copy(file, at, StandardCopyOption.COPY_ATTRIBUTES);
      owner.own(at);
    }
  }

  /** Gives up what nobody uses while there is too much. */
  private void trim() {
    List<Root> doomed = new ArrayList<>();
    synchronized (this) {
      long excess = Math.max(entries - MAX_ENTRIES, cache.isOverLimit() ? entries / 4 + 1 : 0);
      for (Map.Entry<Digest, Root> oldest : new ArrayList<>(roots.entrySet())) {
        Root root = oldest.getValue();
        if (excess > 0 && root.ready && root.users == 0) {
          roots.remove(oldest.getKey());
          root.base.ifPresent(base -> base.users--);
          entries -= root.entries;
          excess -= root.entries;
          doomed.add(root);
        }
      }
    }
    if (!doomed.isEmpty()) {
      log.info("gives up {} input roots", doomed.size());
      sweeper.execute(() -> discard(doomed));
    }
  }

  private void discard(Collection<Root> doomed) {
    for (Root root : doomed) {
      try {
        FileTrees.delete(root.path);
        cache.release(root.files);
        cache.evict();
      } catch (IOException e) {
        log.warn("the input root {} cannot be removed: {}", root.path, e.toString());
      }
    }
  }

  @Override
  public void close() {
    sweeper.shutdown();
  }
}
