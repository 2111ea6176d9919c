package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Large blobs in zstd, ready to be sent: as a client sent them, or as they were compressed for the
 * first that asked. Nothing rests on these files: they are not synced, are deleted at the next
 * start, and the least recently read give way to new ones. A form says nothing about whether its
 * blob is still in the store; whoever reads one asks the store first. They go through the page
 * cache, unlike blobs: nobody waits until they are on disk, and what was kept last is read next.
 *
 * <p>Each block is checked against its CRC32C before it is given out; a damaged form is forgotten.
 * What cannot be written is not kept, and nobody is told but the log. Any thread; the lock is this
 * object's, and is never held while bytes are read or written.
 */
public final class CompressedForms {
  private static final Logger log = LoggerFactory.getLogger(CompressedForms.class);

  /** Below, compressing again costs less than a file. */
  private static final long MIN_BLOB_BYTES = 256 << 10;

  private final @Nullable Path dir;
  private final long maxBytes;
  private final Map<Digest, Kept> kept = new LinkedHashMap<>(16, 0.75f, true);
  private long keptBytes;
  private long nextFile;

  private record Kept(Path file, long sizeBytes, BlockChecksums checksums) {}

  /** A form, open. */
  public record Form(InputStream bytes, long sizeBytes) {}

  private CompressedForms(@Nullable Path dir, long maxBytes) {
    this.dir = dir;
    this.maxBytes = maxBytes;
  }

  /** Keeps none. */
  public static CompressedForms none() {
    return new CompressedForms(null, 0);
  }

  /**
   * @param dir a directory of its own; what is in it is deleted
   * @param maxBytes of all forms together; 0: keeps none
   */
  public static CompressedForms open(Path dir, long maxBytes) throws IOException {
    Files.createDirectories(dir);
    try (Stream<Path> left = Files.list(dir)) {
      for (Path file : (Iterable<Path>) left::iterator) {
        Files.delete(file);
      }
    }
    return new CompressedForms(dir, maxBytes);
  }

  /** The form of a blob, or null. The caller closes it. */
  public @Nullable Form read(Digest blob) {
    Kept found;
    FileBytes file;
    synchronized (this) {
      found = kept.get(blob);
      if (found == null) {
        return null;
      }
      try {
        file = FileBytes.of(FileChannel.open(found.file(), StandardOpenOption.READ));
      } catch (IOException e) {
        forget(blob, found, e);
        return null;
      }
    }
    InputStream bytes =
        new CheckedFileStream(
            file,
            found.checksums(),
            found.sizeBytes(),
            0,
            found.sizeBytes(),
            damage -> {
              forget(blob, found, damage);
              return new StoreUnavailableException(
                  "the compressed form of " + blob + " is damaged; the next read makes a new one",
                  damage);
            });
    return new Form(bytes, found.sizeBytes());
  }

  private synchronized void forget(Digest blob, Kept damaged, Exception why) {
    log.warn("a compressed form cannot be read and is dropped blob={}", blob, why);
    if (kept.remove(blob, damaged)) {
      keptBytes -= damaged.sizeBytes();
      delete(damaged.file());
    }
  }

  /** Takes the compressed form of a blob as it passes. The caller closes it. */
  public Recorder record(Digest blob) {
    Path file = null;
    if (dir != null && blob.sizeBytes() >= MIN_BLOB_BYTES) {
      synchronized (this) {
        if (!kept.containsKey(blob)) {
          file = dir.resolve(Long.toString(nextFile++));
        }
      }
    }
    return new Recorder(blob, file);
  }

  private synchronized void keep(Digest blob, Kept form) {
    Kept other = kept.putIfAbsent(blob, form);
    if (other != null) {
      delete(form.file());
      return;
    }
    keptBytes += form.sizeBytes();
    Iterator<Kept> oldest = kept.values().iterator();
    while (keptBytes > maxBytes) {
      Kept gone = oldest.next();
      oldest.remove();
      keptBytes -= gone.sizeBytes();
      delete(gone.file());
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      log.warn("a compressed form stays until the next start file={}", file, e);
    }
  }

  /**
   * A form on its way to disk; gives up, without a word to whoever sends, when it is no smaller
   * than its blob or cannot be written. Used by one thread at a time.
   */
  public final class Recorder implements AutoCloseable {
    private final Digest blob;
    private final BlockChecksums.Builder checksums = new BlockChecksums.Builder();
    private @Nullable Path path;
    private @Nullable FileChannel file;
    private long sizeBytes;

    private Recorder(Digest blob, @Nullable Path path) {
      this.blob = blob;
      this.path = path;
    }

    /** Leaves the buffer as it was. */
    public void write(ByteBuffer bytes) {
      Path to = path;
      if (to == null) {
        return;
      }
      sizeBytes += bytes.remaining();
      if (sizeBytes >= blob.sizeBytes() || sizeBytes > maxBytes / 4) {
        close();
        return;
      }
      try {
        FileChannel out = file;
        if (out == null) {
          out = FileChannel.open(to, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
          file = out;
        }
        checksums.update(bytes);
        ByteBuffer rest = bytes.duplicate();
        while (rest.hasRemaining()) {
          out.write(rest);
        }
      } catch (IOException e) {
        log.warn("a compressed form cannot be written and is not kept blob={}", blob, e);
        close();
      }
    }

    /** All was written, and whoever decoded it got the blob. */
    public void keep() {
      Path whole = path;
      FileChannel out = file;
      if (whole == null || out == null) {
        return;
      }
      try {
        out.close();
        path = null;
        CompressedForms.this.keep(blob, new Kept(whole, sizeBytes, checksums.build()));
      } catch (IOException e) {
        log.warn("a compressed form cannot be written and is not kept blob={}", blob, e);
      }
    }

    @Override
    public void close() {
      Path unfinished = path;
      path = null;
      try (FileChannel out = file) {
        if (out != null && unfinished != null) {
          delete(unfinished);
        }
      } catch (IOException e) {
        log.warn("a compressed form cannot be closed blob={}", blob, e);
      }
    }
  }
}
