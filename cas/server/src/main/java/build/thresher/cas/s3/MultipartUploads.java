package build.thresher.cas.s3;

import build.thresher.cas.api.DiskReserve;
import com.google.common.io.ByteSource;
import com.google.common.io.MoreFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * Uploads in parts, in files until they are complete. What a client began and left is removed after
 * a day, and everything at start: a client whose upload broke begins again.
 *
 * <p>Threading: any thread.
 */
final class MultipartUploads {
  static final int MAX_PARTS = 10_000;

  private static final int MAX_UPLOADS = 256;
  private static final Duration LIFETIME = Duration.ofDays(1);

  private final Path directory;
  private final DiskReserve reserve;
  private final InstantSource clock;
  private final Map<String, Upload> open = new ConcurrentHashMap<>();

  private record Upload(String key, Path directory, long begunMillis) {}

  private MultipartUploads(Path directory, DiskReserve reserve, InstantSource clock) {
    this.directory = directory;
    this.reserve = reserve;
    this.clock = clock;
  }

  static MultipartUploads in(Path directory, DiskReserve reserve, InstantSource clock)
      throws IOException {
    Files.createDirectories(directory);
    try (Stream<Path> left = Files.list(directory)) {
      for (Path upload : left.toList()) {
        remove(upload);
      }
    }
    return new MultipartUploads(directory, reserve, clock);
  }

  /** Begins one and returns its id. */
  String begin(String key) throws IOException, S3Exception {
    long now = clock.millis();
    for (Map.Entry<String, Upload> one : open.entrySet()) {
      if (now - one.getValue().begunMillis() > LIFETIME.toMillis()) {
        abort(one.getKey());
      }
    }
    if (open.size() >= MAX_UPLOADS) {
      throw new S3Exception(
          503, "SlowDown", MAX_UPLOADS + " uploads in parts are open already; try again later");
    }
    String id = UUID.randomUUID().toString();
    open.put(id, new Upload(key, Files.createDirectory(directory.resolve(id)), now));
    return id;
  }

  void part(String id, String key, int number, InputStream body) throws IOException, S3Exception {
    Upload upload = upload(id, key);
    if (number < 1 || number > MAX_PARTS) {
      throw S3Exception.invalid("the part number is 1 to " + MAX_PARTS);
    }
    try {
      Path temporary = Files.createTempFile(upload.directory(), "part-", ".tmp");
      try {
        try (OutputStream out = Files.newOutputStream(temporary)) {
          reserve.copy(body, out);
        }
        Files.move(temporary, file(upload, number), StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (NoSuchFileException e) {
      throw gone(); // given up while this part came
    }
  }

  /** All parts, one after the other, each opened when its turn comes. */
  InputStream whole(String id, String key, List<Integer> parts) throws IOException, S3Exception {
    Upload upload = upload(id, key);
    return ByteSource.concat(
            parts.stream().map(part -> MoreFiles.asByteSource(file(upload, part))).toList())
        .openStream();
  }

  private static Path file(Upload upload, int part) {
    return upload.directory().resolve(Integer.toString(part));
  }

  /** Bytes of these parts together. */
  long size(String id, String key, List<Integer> parts) throws IOException, S3Exception {
    Upload upload = upload(id, key);
    long sum = 0;
    for (int part : parts) {
      try {
        sum += Files.size(file(upload, part));
      } catch (NoSuchFileException e) {
        throw new S3Exception(400, "InvalidPart", "part " + part + " was not uploaded");
      }
    }
    return sum;
  }

  /** Complete, or given up: also for parts that are still coming. */
  void abort(String id) throws IOException {
    Upload upload = open.remove(id);
    if (upload != null) {
      // Under this name nothing is added any more.
      Path doomed = directory.resolve(id + ".doomed");
      Files.move(upload.directory(), doomed, StandardCopyOption.ATOMIC_MOVE);
      remove(doomed);
    }
  }

  private Upload upload(String id, String key) throws S3Exception {
    Upload upload = open.get(id);
    if (upload == null || !upload.key().equals(key)) {
      throw gone();
    }
    return upload;
  }

  private static S3Exception gone() {
    return new S3Exception(404, "NoSuchUpload", "there is no such upload in parts; begin again");
  }

  private static void remove(Path upload) throws IOException {
    try (Stream<Path> files = Files.walk(upload)) {
      for (Path file : files.sorted(Collections.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }
}
