package build.thresher.cas.oci;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.SyncedDirectories;
import com.google.common.collect.ImmutableList;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * What repositories hold, beside the bytes, which are blobs of the store. Keys begin with the kind
 * of row: {@code t} repository, tag → manifest; {@code m} repository, manifest → {@link Kept};
 * {@code r} repository, subject, manifest; {@code b} instance, blob → size; {@code d} archive →
 * sha256 of the tar file inside.
 *
 * <p>Every write is synced. Threading: any thread; RocksDB is called on a platform thread.
 */
final class ImageTables implements AutoCloseable {
  private static final byte[] FORMAT_KEY = "format".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] FORMAT = {1};

  private final Options options;
  private final RocksDB db;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final ExecutorService threads =
      Executors.newFixedThreadPool(2, Thread.ofPlatform().name("oci-db-", 0).daemon().factory());

  private ImageTables(Options options, RocksDB db) {
    this.options = options;
    this.db = db;
  }

  /**
   * A manifest that a repository keeps.
   *
   * @param pinned what was pinned for it, to be unpinned with it
   * @param spec DAG hash, where it is the image of a spec: it is shown as long as the mirror has
   *     the spec; "" for any other image
   */
  record Kept(Digest digest, String mediaType, ImmutableList<Digest> pinned, String spec) {}

  /**
   * A manifest and where it is.
   *
   * @param repository whole name
   */
  record Placed(String repository, Kept kept) {}

  static ImageTables open(Path directory) throws IOException {
    SyncedDirectories.create(directory);
    RocksDB.loadLibrary();
    Options options = new Options().setCreateIfMissing(true).setKeepLogFileNum(3);
    try {
      RocksDB db = RocksDB.open(options, directory.toString());
      ImageTables tables = new ImageTables(options, db);
      byte[] format = db.get(FORMAT_KEY);
      if (format == null) {
        db.put(tables.synced, FORMAT_KEY, FORMAT);
      } else if (!Arrays.equals(format, FORMAT)) {
        tables.close();
        throw new IOException(
            directory
                + " has a format that this version does not know; start the one that wrote it");
      }
      return tables;
    } catch (RocksDBException e) {
      throw new IOException("cannot open the database of images " + directory, e);
    }
  }

  /** The manifest that a tag names; of size 0. */
  Optional<Digest> tag(String repository, String tag) throws IOException {
    return get(key('t', repository, ascii(tag))).map(hash -> Digest.fromHash(hash, 0));
  }

  /** Tags of a repository in the order of their bytes. */
  List<String> tags(String repository) throws IOException {
    byte[] prefix = key('t', repository, new byte[0]);
    List<String> tags = new ArrayList<>();
    scan(
        prefix,
        (key, value) ->
            tags.add(
                new String(
                    key, prefix.length, key.length - prefix.length, StandardCharsets.US_ASCII)));
    return tags;
  }

  Optional<Kept> manifest(String repository, Digest digest) throws IOException {
    Optional<byte[]> row = get(key('m', repository, digest.hashBytes()));
    return row.isEmpty() ? Optional.empty() : Optional.of(kept(row.get()));
  }

  /** All manifests of all repositories. */
  List<Placed> manifests() throws IOException {
    List<Placed> all = new ArrayList<>();
    scan(
        new byte[] {'m'},
        (key, value) -> {
          int nameLength = key.length - 2 - Digest.HASH_BYTES;
          all.add(
              new Placed(new String(key, 1, nameLength, StandardCharsets.US_ASCII), kept(value)));
        });
    return all;
  }

  /** Keeps a manifest and lets a tag name it, all or nothing. */
  void put(String repository, Kept kept, Optional<String> tag, Optional<Digest> subject)
      throws IOException {
    call(
        () -> {
          try (WriteBatch batch = new WriteBatch()) {
            batch.put(key('m', repository, kept.digest().hashBytes()), bytes(kept));
            if (tag.isPresent()) {
              batch.put(key('t', repository, ascii(tag.get())), kept.digest().hashBytes());
            }
            if (subject.isPresent()) {
              batch.put(referrer(repository, subject.get(), kept.digest()), new byte[0]);
            }
            db.write(synced, batch);
          }
          return true;
        });
  }

  /** Forgets a manifest and the tags that name it. */
  void remove(Placed placed) throws IOException {
    String repository = placed.repository();
    List<String> named = new ArrayList<>();
    for (String tag : tags(repository)) {
      Optional<Digest> names = tag(repository, tag);
      if (names.isPresent() && names.get().hex().equals(placed.kept().digest().hex())) {
        named.add(tag);
      }
    }
    call(
        () -> {
          try (WriteBatch batch = new WriteBatch()) {
            for (String tag : named) {
              batch.delete(key('t', repository, ascii(tag)));
            }
            batch.delete(key('m', repository, placed.kept().digest().hashBytes()));
            db.write(synced, batch);
          }
          return true;
        });
  }

  /** Manifests that name this one as their subject; of size 0. */
  List<Digest> referrers(String repository, Digest subject) throws IOException {
    List<Digest> all = new ArrayList<>();
    scan(
        key('r', repository, subject.hashBytes()),
        (key, value) ->
            all.add(
                Digest.fromHash(
                    Arrays.copyOfRange(key, key.length - Digest.HASH_BYTES, key.length), 0)));
    return all;
  }

  /** The blob with its size, if it was brought to this instance. */
  Optional<Digest> blob(String instance, Digest digest) throws IOException {
    return get(key('b', instance, digest.hashBytes()))
        .map(size -> Digest.fromHash(digest.hashBytes(), ByteBuffer.wrap(size).getLong()));
  }

  void addBlob(String instance, Digest blob) throws IOException {
    byte[] size = ByteBuffer.allocate(Long.BYTES).putLong(blob.sizeBytes()).array();
    put(key('b', instance, blob.hashBytes()), size);
  }

  /** What the archive's tar file has as its sha256, if that was computed before; of size 0. */
  Optional<Digest> unpacked(Digest archive) throws IOException {
    return get(key('d', "", archive.hashBytes())).map(hash -> Digest.fromHash(hash, 0));
  }

  void putUnpacked(Digest archive, Digest tar) throws IOException {
    put(key('d', "", archive.hashBytes()), tar.hashBytes());
  }

  @Override
  public void close() {
    threads.close();
    db.close();
    synced.close();
    options.close();
  }

  private interface RowVisitor {
    void visit(byte[] key, byte[] value) throws IOException;
  }

  private void scan(byte[] prefix, RowVisitor visitor) throws IOException {
    call(
        () -> {
          try (RocksIterator rows = db.newIterator()) {
            for (rows.seek(prefix); rows.isValid(); rows.next()) {
              byte[] key = rows.key();
              if (key.length < prefix.length
                  || !Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length)) {
                break;
              }
              visitor.visit(key, rows.value());
            }
            rows.status();
          }
          return true;
        });
  }

  private Optional<byte[]> get(byte[] key) throws IOException {
    return Optional.ofNullable(call(() -> new Value(db.get(key))).bytes());
  }

  private void put(byte[] key, byte[] value) throws IOException {
    call(
        () -> {
          db.put(synced, key, value);
          return true;
        });
  }

  @SuppressWarnings("ArrayRecordComponent") // carries a value across threads
  private record Value(byte @Nullable [] bytes) {}

  private <T> T call(Callable<T> work) throws IOException {
    try {
      return threads.submit(work).get();
    } catch (ExecutionException e) {
      throw new IOException("the database of images failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted at the database of images");
    }
  }

  private static byte[] key(char kind, String name, byte[] rest) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(2 + bytes.length + rest.length)
        .put((byte) kind)
        .put(bytes)
        .put((byte) 0)
        .put(rest)
        .array();
  }

  private static byte[] referrer(String repository, Digest subject, Digest manifest) {
    byte[] both =
        ByteBuffer.allocate(2 * Digest.HASH_BYTES)
            .put(subject.hashBytes())
            .put(manifest.hashBytes())
            .array();
    return key('r', repository, both);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] bytes(Kept kept) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      write(out, kept.digest());
      out.writeUTF(kept.mediaType());
      out.writeUTF(kept.spec());
      out.writeInt(kept.pinned().size());
      for (Digest digest : kept.pinned()) {
        write(out, digest);
      }
    }
    return bytes.toByteArray();
  }

  private static Kept kept(byte[] row) throws IOException {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(row))) {
      Digest digest = readDigest(in);
      String mediaType = in.readUTF();
      String spec = in.readUTF();
      ImmutableList.Builder<Digest> pinned = ImmutableList.builder();
      for (int n = in.readInt(); n > 0; n--) {
        pinned.add(readDigest(in));
      }
      return new Kept(digest, mediaType, pinned.build(), spec);
    }
  }

  private static void write(DataOutputStream out, Digest digest) throws IOException {
    out.write(digest.hashBytes());
    out.writeLong(digest.sizeBytes());
  }

  private static Digest readDigest(DataInputStream in) throws IOException {
    return Digest.fromHash(in.readNBytes(Digest.HASH_BYTES), in.readLong());
  }
}
