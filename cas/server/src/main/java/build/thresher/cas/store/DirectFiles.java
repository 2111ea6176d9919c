package build.thresher.cas.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether files of a directory can be read and written past the page cache, and the buffers for it.
 * What is on disk before it is acknowledged gains nothing from the cache on its way there: pages
 * would be found, filled and cleaned for one use. Any thread.
 */
final class DirectFiles {
  private static final Logger log = LoggerFactory.getLogger(DirectFiles.class);

  /** Of files at a time, to write and as many to read: 32 MiB each. */
  private static final int AT_ONCE = 32;

  private static final int MAX_BLOCK_BYTES = 64 << 10;

  /** Below, there is nothing to read ahead. */
  private static final int MIN_READ_BYTES = 256 << 10;

  private static final int REMEMBERED = 4_096;

  private final BlockBuffers forWriters;
  private final BlockBuffers forReaders;

  /** Files that were read lately, the latest last. Guards itself. */
  private final Map<Path, Boolean> lately =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Path, Boolean> eldest) {
          return size() > REMEMBERED;
        }
      };

  private DirectFiles(int blockBytes, int limit) {
    this.forWriters = new BlockBuffers(blockBytes, limit);
    this.forReaders = new BlockBuffers(blockBytes, limit);
  }

  /**
   * Tries it with a file that is gone afterwards.
   *
   * @param wanted else everything goes through the page cache
   */
  static DirectFiles in(Path dir, boolean wanted) throws IOException {
    if (!wanted) {
      return none();
    }
    Path probe = dir.resolve("direct");
    try {
      long blockBytes = Files.getFileStore(dir).getBlockSize();
      if (Long.bitCount(blockBytes) != 1 || blockBytes > MAX_BLOCK_BYTES) {
        return none();
      }
      DirectFiles files = new DirectFiles((int) blockBytes, AT_ONCE);
      try (SequentialFile file = files.create(probe)) {
        file.write(ByteBuffer.allocate((int) blockBytes));
        file.flush();
      }
      return files;
    } catch (IOException | UnsupportedOperationException e) {
      log.info("files go through the page cache dir={} why={}", dir, e.getMessage());
      return none();
    } finally {
      Files.deleteIfExists(probe);
    }
  }

  /** Everything goes through the page cache. */
  static DirectFiles none() {
    return new DirectFiles(1, 0);
  }

  /** An empty file, made anew. The caller closes it. */
  SequentialFile create(Path path) throws IOException {
    BlockBuffers.Pair buffers = forWriters.take();
    boolean opened = false;
    try {
      FileChannel channel = open(path, buffers != null);
      opened = true;
      return new SequentialFile(path, channel, buffers);
    } finally {
      if (!opened && buffers != null) {
        buffers.giveBack();
      }
    }
  }

  private static FileChannel open(Path path, boolean direct) throws IOException {
    Set<OpenOption> options =
        new HashSet<>(
            Set.of(
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE));
    if (direct) {
      options.add(pastTheCache());
    }
    return FileChannel.open(path, options);
  }

  /**
   * A file to be read from front to back: past the page cache the first time, through it by whoever
   * comes soon after, because then others will. The caller closes it.
   *
   * @param from where reading begins, a multiple of {@link BlockChecksums#BLOCK_BYTES}
   * @param end where it ends
   */
  FileBytes read(Path path, long from, long end) throws IOException {
    BlockBuffers.Pair buffers =
        end - from < MIN_READ_BYTES || wasRead(path) ? null : forReaders.take();
    if (buffers == null) {
      return FileBytes.of(FileChannel.open(path, StandardOpenOption.READ));
    }
    boolean opened = false;
    try {
      FileChannel file = FileChannel.open(path, StandardOpenOption.READ, pastTheCache());
      opened = true;
      return new ReadAhead(file, buffers, from, end);
    } finally {
      if (!opened) {
        buffers.giveBack();
      }
    }
  }

  private boolean wasRead(Path path) {
    synchronized (lately) {
      return lately.put(path, true) != null;
    }
  }

  /** By its name, because the compiler warns of whoever imports it and cannot be told not to. */
  private static OpenOption pastTheCache() throws IOException {
    try {
      Class<?> options = Class.forName("com.sun.nio.file.ExtendedOpenOption");
      for (Object option : options.getEnumConstants()) {
        if (option instanceof OpenOption found && option.toString().equals("DIRECT")) {
          return found;
        }
      }
    } catch (ClassNotFoundException e) {
      // As if it had no such constant.
    }
    throw new IOException("this Java has no ExtendedOpenOption.DIRECT");
  }
}
