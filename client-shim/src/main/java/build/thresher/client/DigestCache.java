package build.thresher.client;

import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;
import java.util.zip.CheckedOutputStream;

/**
 * Digests of files that were hashed before, on disk: a Spack has thousands of files that hardly
 * ever change. A file is the same while its path, size, times of change and inode are.
 *
 * <p>A file that changed within the last seconds is hashed each time: it may change again without
 * its times telling. A damaged cache is an empty one. Used by one thread; two processes may save at
 * once, the last one wins.
 */
final class DigestCache implements LocalTree.FileHasher {
  private static final long MAGIC = 0x7468726573686401L; // "threshd" and the format's version
  private static final int DIGEST_BYTES = 32;

  /** Coarser than the clock of any file system in use. */
  private static final Duration TOO_YOUNG = Duration.ofSeconds(3);

  /** About 20 MiB; beyond it, what this run did not use is forgotten. */
  static final int MOST_ENTRIES = 100_000;

  private final Path file;
  private final InstantSource clock;
  private final Map<String, Entry> known;
  private final Map<String, Entry> used = new HashMap<>();
  private boolean changed;

  private DigestCache(Path file, InstantSource clock, Map<String, Entry> known) {
    this.file = file;
    this.clock = clock;
    this.known = known;
  }

  /** Everything that tells one content of a file from another without reading it. */
  private record Stamp(long size, long modifiedNanos, long changedNanos, long inode) {
    static Stamp of(Path path) throws IOException {
      Map<String, Object> attributes =
          Files.readAttributes(path, "unix:size,lastModifiedTime,ctime,ino");
      return new Stamp(
          (Long) asked(attributes, "size"),
          nanos(attributes, "lastModifiedTime"),
          nanos(attributes, "ctime"),
          (Long) asked(attributes, "ino"));
    }

    private static Object asked(Map<String, Object> attributes, String name) {
      return Objects.requireNonNull(attributes.get(name), name);
    }

    private static long nanos(Map<String, Object> attributes, String name) {
      return ((FileTime) asked(attributes, name)).to(TimeUnit.NANOSECONDS);
    }

    boolean isOlderThan(Instant moment) {
      long limit = TimeUnit.SECONDS.toNanos(moment.getEpochSecond()) + moment.getNano();
      return Math.max(modifiedNanos, changedNanos) < limit;
    }
  }

  private record Entry(Stamp stamp, Digest digest) {}

  static DigestCache load(Path file, InstantSource clock) {
    Map<String, Entry> known = new HashMap<>();
    CRC32 crc = new CRC32();
    try (DataInputStream in =
        new DataInputStream(
            new CheckedInputStream(new BufferedInputStream(Files.newInputStream(file)), crc))) {
      if (in.readLong() != MAGIC) {
        return new DigestCache(file, clock, new HashMap<>());
      }
      int count = in.readInt();
      for (int i = 0; i < count; i++) {
        String path = in.readUTF();
        Stamp stamp = new Stamp(in.readLong(), in.readLong(), in.readLong(), in.readLong());
        byte[] hash = in.readNBytes(DIGEST_BYTES);
        known.put(path, new Entry(stamp, Digest.fromHash(hash, stamp.size())));
      }
      long sum = crc.getValue();
      if (in.readLong() != sum) {
        known.clear();
      }
    } catch (IOException | IllegalArgumentException e) {
      known.clear(); // none yet, or damaged: everything is hashed, and the next save heals it
    }
    return new DigestCache(file, clock, known);
  }

  @Override
  public Digest hash(Path path) throws IOException {
    String name = path.toAbsolutePath().toString();
    Stamp before = Stamp.of(path);
    Entry entry = known.get(name);
    if (entry != null && entry.stamp().equals(before)) {
      used.put(name, entry);
      return entry.digest();
    }
    Digest digest = LocalTree.hash(path);
    boolean settled = before.isOlderThan(clock.instant().minus(TOO_YOUNG));
    if (settled && digest.sizeBytes() == before.size() && Stamp.of(path).equals(before)) {
      used.put(name, new Entry(before, digest));
      changed = true;
    }
    return digest;
  }

  /** Writes what is new; a cache that cannot be written costs time only. */
  void save() throws IOException {
    if (!changed) {
      return;
    }
    Map<String, Entry> all = new HashMap<>(known);
    all.putAll(used);
    if (all.size() > MOST_ENTRIES) {
      all = used;
    }
    Path directory = file.toAbsolutePath().getParent();
    Files.createDirectories(directory);
    Path temporary = Files.createTempFile(directory, "digests-", ".tmp"); // readable by us only
    try {
      write(temporary, all);
      Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static void write(Path to, Map<String, Entry> all) throws IOException {
    CRC32 crc = new CRC32();
    try (DataOutputStream out =
        new DataOutputStream(
            new CheckedOutputStream(new BufferedOutputStream(Files.newOutputStream(to)), crc))) {
      out.writeLong(MAGIC);
      out.writeInt(all.size());
      for (Map.Entry<String, Entry> one : all.entrySet()) {
        Stamp stamp = one.getValue().stamp();
        out.writeUTF(one.getKey());
        out.writeLong(stamp.size());
        out.writeLong(stamp.modifiedNanos());
        out.writeLong(stamp.changedNanos());
        out.writeLong(stamp.inode());
        out.write(one.getValue().digest().hashBytes());
      }
      out.writeLong(crc.getValue());
    }
  }
}
