package build.thresher.cas.oci;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.oci.OciException.Code;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/**
 * Uploads of blobs whose name is not known yet, each in a file until it is. Removed are what a
 * client left for a day, and everything at start: a client whose upload broke begins again.
 *
 * <p>Whoever knows an upload's id may write to it: the id is random, and was given to somebody who
 * was allowed to push. Spack needs that: over plain HTTP it sends its token only when asked again,
 * and a body that it reads from a file only once.
 *
 * <p>Threading: any thread; one writes to an upload at a time, others wait a little and are
 * refused.
 */
final class BlobUploads {
  private static final int MAX_UPLOADS = 1024;
  private static final int ID_BYTES = 20;
  private static final Duration LIFETIME = Duration.ofDays(1);
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final Path directory;
  private final DiskReserve reserve;
  private final InstantSource clock;
  private final SecureRandom random;
  private final Map<String, Upload> open = new ConcurrentHashMap<>();

  private BlobUploads(
      Path directory, DiskReserve reserve, InstantSource clock, SecureRandom random) {
    this.directory = directory;
    this.reserve = reserve;
    this.clock = clock;
    this.random = random;
  }

  static BlobUploads in(
      Path directory, DiskReserve reserve, InstantSource clock, SecureRandom random)
      throws IOException {
    Files.createDirectories(directory);
    try (Stream<Path> left = Files.list(directory)) {
      for (Path file : left.toList()) {
        Files.deleteIfExists(file);
      }
    }
    return new BlobUploads(directory, reserve, clock, random);
  }

  /** One blob on its way. */
  final class Upload implements AutoCloseable {
    private final String id;
    private final String repository;
    private final Path file;
    private final long begunMillis;
    private final ReentrantLock writing = new ReentrantLock();

    private Upload(String id, String repository, long begunMillis) {
      this.id = id;
      this.repository = repository;
      this.file = directory.resolve(id);
      this.begunMillis = begunMillis;
    }

    String id() {
      return id;
    }

    /** Bytes that have arrived, also of a request that broke. */
    long received() throws IOException {
      return Files.exists(file) ? Files.size(file) : 0;
    }

    /**
     * @param from where these bytes belong, if the client says it
     */
    void append(InputStream body, OptionalLong from) throws IOException, OciException {
      if (from.isPresent() && from.getAsLong() != received()) {
        throw new OciException(
            416,
            Code.BLOB_UPLOAD_INVALID,
            "the upload has " + received() + " bytes; the next chunk begins there");
      }
      try (OutputStream out =
          Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
        reserve.copy(body, out);
      }
    }

    InputStream read() throws IOException {
      return Files.exists(file) ? Files.newInputStream(file) : InputStream.nullInputStream();
    }

    /** It is a blob now, or given up. */
    void end() throws IOException {
      open.remove(id);
      Files.deleteIfExists(file);
    }

    /** Another request may write to it. */
    @Override
    public void close() {
      writing.unlock();
    }
  }

  /** Begins one; it is not entered. */
  String begin(String repository) throws IOException, OciException {
    long now = clock.millis();
    for (Upload one : open.values()) {
      if (now - one.begunMillis > LIFETIME.toMillis() && one.writing.tryLock()) {
        try {
          one.end();
        } finally {
          one.close();
        }
      }
    }
    if (open.size() >= MAX_UPLOADS) {
      throw new OciException(
          429, Code.TOOMANYREQUESTS, MAX_UPLOADS + " uploads are open already; try again later");
    }
    byte[] bytes = new byte[ID_BYTES];
    random.nextBytes(bytes);
    String id = HexFormat.of().formatHex(bytes);
    open.put(id, new Upload(id, repository, now));
    return id;
  }

  /**
   * Enters one, for this request alone until it is closed. The request before it may have been
   * answered an instant ago, or its connection broken.
   */
  Upload enter(String repository, String id) throws OciException {
    Upload upload = open.get(id);
    if (upload == null || !upload.repository.equals(repository)) {
      throw gone();
    }
    if (!entered(upload)) {
      throw new OciException(
          409, Code.BLOB_UPLOAD_INVALID, "another request writes to this upload at the moment");
    }
    if (open.get(id) != upload) {
      upload.close();
      throw gone();
    }
    return upload;
  }

  private static boolean entered(Upload upload) {
    try {
      return upload.writing.tryLock(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static OciException gone() {
    return OciException.unknown(
        Code.BLOB_UPLOAD_UNKNOWN, "there is no such upload, or it has ended; begin again");
  }
}
