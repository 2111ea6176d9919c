package build.thresher.scheduler.logs;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * Logs of executions while they run: a file for each stream, named by the hash of the execution's
 * name, so that no path is made from text. For people: flushed, not synced, and not kept where the
 * disk has no room for them. Any thread.
 */
public final class LogStore {
  /** More than this of one log is not kept here. */
  static final long MAX_BYTES = 1L << 30;

  private final Path directory;
  private final DiskReserve reserve;
  private final Cache<Name, Log> logs = CacheBuilder.newBuilder().weakValues().build();

  /**
   * @param reserveBytes of the file system that logs leave free
   */
  public LogStore(Path directory, long reserveBytes) throws IOException {
    this.directory = Files.createDirectories(directory);
    this.reserve = new DiskReserve(directory, reserveBytes);
  }

  private record Name(String execution, LogStream stream) {
    String file() {
      String text =
          switch (stream) {
            case BUILD -> execution;
            case STDOUT -> execution + "/stdout";
            case STDERR -> execution + "/stderr";
          };
      return Digest.of(text.getBytes(StandardCharsets.UTF_8)).hex();
    }
  }

  /** One log; its monitor orders its writers and wakes its readers. */
  private static final class Log {
    final Path file;
    long size;

    Log(Path file) {
      this.file = file;
      try {
        this.size = Files.size(file);
      } catch (IOException e) {
        this.size = 0; // not there yet
      }
    }
  }

  /** Bytes are missing before those that were sent. */
  public static final class GapException extends IOException {
    private static final long serialVersionUID = 1L;

    GapException(long offset, long size) {
      super("the log has " + size + " bytes; send from there, not from " + offset);
    }
  }

  /**
   * Appends what is new of {@code data}; what the log has already is passed over.
   *
   * @return bytes that the log has now
   */
  public long append(String execution, LogStream stream, long offset, byte[] data)
      throws IOException {
    Log log = log(execution, stream);
    synchronized (log) {
      if (offset > log.size) {
        throw new GapException(offset, log.size);
      }
      int known = (int) Math.min(data.length, log.size - offset);
      int room = (int) Math.min(data.length - known, Math.max(0, MAX_BYTES - log.size));
      if (room > 0 && !reserve.isTouched()) {
        write(log, ByteBuffer.wrap(data, known, room));
        log.notifyAll();
      }
      // Without room bytes are acknowledged and dropped: a log must not stop its build.
      return Math.max(log.size, offset + data.length);
    }
  }

  private static void write(Log log, ByteBuffer data) throws IOException {
    try (FileChannel channel =
        FileChannel.open(log.file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      while (data.hasRemaining()) {
        log.size += channel.write(data, log.size);
      }
    }
  }

  /** At most {@code max} bytes from the offset; empty beyond the end. */
  public byte[] read(String execution, LogStream stream, long offset, int max) throws IOException {
    Log log = log(execution, stream);
    try (FileChannel channel = FileChannel.open(log.file, StandardOpenOption.READ)) {
      ByteBuffer data = ByteBuffer.allocate(max);
      while (data.hasRemaining() && channel.read(data, offset + data.position()) > 0) {
        // until the buffer is full or the file ends
      }
      return Arrays.copyOf(data.array(), data.position());
    } catch (NoSuchFileException e) {
      return new byte[0];
    }
  }

  /** Waits until the log has more than {@code offset} bytes, or until it may have ended. */
  public void await(String execution, LogStream stream, long offset, Duration patience)
      throws InterruptedException {
    Log log = log(execution, stream);
    synchronized (log) {
      if (log.size <= offset) {
        waitFor(log, patience);
      }
    }
  }

  @SuppressWarnings("WaitNotInLoop") // whoever waits asks again anyway
  private static void waitFor(Log log, Duration patience) throws InterruptedException {
    log.wait(patience.toMillis());
  }

  /** The execution ended: whoever waits for more looks again. */
  public void ended(String execution) {
    for (LogStream stream : LogStream.values()) {
      Log log = logs.getIfPresent(new Name(execution, stream)); // who waits keeps it there
      if (log != null) {
        synchronized (log) {
          log.notifyAll();
        }
      }
    }
  }

  /** Removes logs that nobody has written to since. */
  public int prune(Instant before) throws IOException {
    int removed = 0;
    List<Path> files;
    try (Stream<Path> listing = Files.list(directory)) {
      files = listing.toList();
    }
    for (Path file : files) {
      if (Files.getLastModifiedTime(file).toInstant().isBefore(before)) {
        Files.deleteIfExists(file);
        removed++;
      }
    }
    return removed;
  }

  private Log log(String execution, LogStream stream) {
    return logs.asMap()
        .computeIfAbsent(
            new Name(execution, stream), name -> new Log(directory.resolve(name.file())));
  }
}
