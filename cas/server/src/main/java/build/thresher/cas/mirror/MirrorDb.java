package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.SyncedDirectories;
import build.thresher.cas.api.spack.DagHash;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.DBOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The mirror's tables. Keys are {@code instance NUL name}; {@link MirrorTable} says what they hold.
 *
 * <p>Every write is synced. Threading: any thread; the calls into RocksDB run on a few platform
 * threads, because they would pin a virtual thread's carrier.
 */
final class MirrorDb implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MirrorDb.class);
  private static final int THREADS = 16; // as many publishers share one sync
  private static final byte[] FORMAT_KEY = "format".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] FORMAT = {1};

  private final RocksDB db;
  private final DBOptions options;
  private final ColumnFamilyOptions familyOptions;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final List<ColumnFamilyHandle> families;
  private final EnumMap<MirrorTable, ColumnFamilyHandle> tables = new EnumMap<>(MirrorTable.class);
  private final ExecutorService threads =
      Executors.newFixedThreadPool(
          THREADS, Thread.ofPlatform().name("mirror-db-", 0).daemon().factory());

  private final NodeTable nodes = new NodeTable(this);
  private volatile boolean failed;

  private MirrorDb(
      RocksDB db,
      DBOptions options,
      ColumnFamilyOptions familyOptions,
      List<ColumnFamilyHandle> families) {
    this.db = db;
    this.options = options;
    this.familyOptions = familyOptions;
    this.families = families;
    int next = 1; // the default family comes first
    for (MirrorTable table : MirrorTable.values()) {
      tables.put(table, families.get(next++));
    }
  }

  static MirrorDb open(Path dir) throws IOException {
    SyncedDirectories.create(dir);
    RocksDB.loadLibrary();
    DBOptions options =
        new DBOptions()
            .setCreateIfMissing(true)
            .setCreateMissingColumnFamilies(true)
            .setKeepLogFileNum(3)
            .setMaxTotalWalSize(64L << 20);
    ColumnFamilyOptions familyOptions = new ColumnFamilyOptions();
    List<ColumnFamilyDescriptor> descriptors = new ArrayList<>();
    descriptors.add(new ColumnFamilyDescriptor(RocksDB.DEFAULT_COLUMN_FAMILY, familyOptions));
    for (MirrorTable table : MirrorTable.values()) {
      descriptors.add(
          new ColumnFamilyDescriptor(
              table.family().getBytes(StandardCharsets.US_ASCII), familyOptions));
    }
    List<ColumnFamilyHandle> handles = new ArrayList<>();
    try {
      RocksDB db = RocksDB.open(options, dir.toString(), descriptors, handles);
      MirrorDb mirror = new MirrorDb(db, options, familyOptions, handles);
      mirror.requireFormat(dir);
      return mirror;
    } catch (RocksDBException e) {
      throw new IOException("cannot open the mirror's database " + dir, e);
    }
  }

  private void requireFormat(Path dir) throws RocksDBException, IOException {
    byte[] format = db.get(FORMAT_KEY);
    if (format == null) {
      db.put(synced, FORMAT_KEY, FORMAT);
    } else if (!Arrays.equals(format, FORMAT)) {
      throw new IOException(
          "the mirror's database %s has format %d, this version reads %d; start the version that wrote it"
              .formatted(dir, format[0], FORMAT[0]));
    }
  }

  /** Rows to be written together. */
  final class Changes {
    private final List<Row> rows = new ArrayList<>();

    @SuppressWarnings("ArrayRecordComponent") // read once, never compared
    private record Row(ColumnFamilyHandle family, byte[] key, byte @Nullable [] value) {}

    void put(MirrorTable table, String instance, byte[] name, byte[] value) {
      rows.add(new Row(family(table), key(instance, name), value));
    }

    void delete(MirrorTable table, String instance, byte[] name) {
      rows.add(new Row(family(table), key(instance, name), null));
    }
  }

  Changes changes() {
    return new Changes();
  }

  /** False from the first failed write on: RocksDB refuses all others then. */
  boolean takesWrites() {
    return !failed;
  }

  /** All or nothing; durable on return. */
  void write(Changes changes) throws IOException {
    call(
        () -> {
          try (WriteBatch batch = new WriteBatch()) {
            for (Changes.Row row : changes.rows) {
              byte[] value = row.value();
              if (value == null) {
                batch.delete(row.family(), row.key());
              } else {
                batch.put(row.family(), row.key(), value);
              }
            }
            db.write(synced, batch);
          } catch (RocksDBException e) {
            LOG.error("the mirror takes nothing more until the server is started again", e);
            failed = true;
            throw e;
          }
          return true;
        });
  }

  /** Makes specs visible with the nodes that their index entries need, all or nothing. */
  void publish(String instance, Collection<PublishedRecord> records, Collection<IndexNode> newNodes)
      throws IOException {
    Changes changes = new Changes();
    for (IndexNode node : newNodes) {
      nodes.put(instance, node, changes);
    }
    for (PublishedRecord record : records) {
      changes.put(MirrorTable.PUBLISHED, instance, name(record.spec().hash()), record.toBytes());
    }
    write(changes);
  }

  /** The nodes of all instances. */
  NodeTable nodes() {
    return nodes;
  }

  /** Every row of a table, of all instances. */
  void eachRow(MirrorTable table, NamedVisitor visitor) throws IOException {
    scan(family(table), new byte[0], visitor);
  }

  /** Every row of an instance, in the order of their names. */
  void eachRow(MirrorTable table, String instance, NamedVisitor visitor) throws IOException {
    scan(family(table), prefix(instance), visitor);
  }

  /** Those of these rows that are there, in this order. */
  void eachRow(MirrorTable table, String instance, Iterable<DagHash> hashes, NamedVisitor visitor)
      throws IOException {
    call(
        () -> {
          for (DagHash hash : hashes) {
            byte[] name = name(hash);
            byte[] value = db.get(family(table), key(instance, name));
            if (value != null) {
              visitor.visit(instance, name, value);
            }
          }
          return true;
        });
  }

  /** Whether {@link #setComplete} was called, be it before the last start. */
  boolean isComplete(String what) throws IOException {
    return call(() -> Found.of(db.get(what.getBytes(StandardCharsets.US_ASCII)))).value() != null;
  }

  void setComplete(String what) throws IOException {
    call(
        () -> {
          db.put(synced, what.getBytes(StandardCharsets.US_ASCII), FORMAT);
          return true;
        });
  }

  byte @Nullable [] find(MirrorTable table, String instance, byte[] name) throws IOException {
    return call(() -> Found.of(db.get(family(table), key(instance, name)))).value();
  }

  @Nullable PublishedRecord find(String instance, DagHash hash) throws IOException {
    byte[] value = find(MirrorTable.PUBLISHED, instance, name(hash));
    return value == null ? null : PublishedRecord.fromBytes(value);
  }

  void eachPublished(Visitor<PublishedRecord> visitor) throws IOException {
    eachRow(
        MirrorTable.PUBLISHED,
        (instance, name, row) -> visitor.visit(instance, PublishedRecord.fromBytes(row)));
  }

  void putIndex(String instance, Digest index, Instant until) throws IOException {
    byte[] value =
        ByteBuffer.allocate(16).putLong(index.sizeBytes()).putLong(until.toEpochMilli()).array();
    Changes changes = new Changes();
    changes.put(MirrorTable.INDICES, instance, index.hashBytes(), value);
    write(changes);
  }

  void removeIndex(String instance, Digest index) throws IOException {
    Changes changes = new Changes();
    changes.delete(MirrorTable.INDICES, instance, index.hashBytes());
    write(changes);
  }

  void eachIndex(IndexVisitor visitor) throws IOException {
    eachRow(
        MirrorTable.INDICES,
        (instance, hash, row) -> {
          ByteBuffer b = ByteBuffer.wrap(row);
          Digest digest = Digest.fromHash(hash, b.getLong());
          visitor.visit(instance, digest, Instant.ofEpochMilli(b.getLong()));
        });
  }

  @Override
  public void close() {
    threads.close();
    families.forEach(ColumnFamilyHandle::close);
    db.close();
    synced.close();
    familyOptions.close();
    options.close();
  }

  interface Visitor<T> {
    void visit(String instance, T value) throws IOException;
  }

  /** Sees a row by its name within the instance. */
  interface NamedVisitor {
    void visit(String instance, byte[] name, byte[] value) throws IOException;
  }

  interface IndexVisitor {
    void visit(String instance, Digest index, Instant until) throws IOException;
  }

  @SuppressWarnings("ArrayRecordComponent") // carries a value across threads
  private record Found(byte @Nullable [] value) {
    static Found of(byte @Nullable [] value) {
      return new Found(value);
    }
  }

  private void scan(ColumnFamilyHandle family, byte[] prefix, NamedVisitor visitor)
      throws IOException {
    call(
        () -> {
          try (RocksIterator rows = db.newIterator(family)) {
            for (rows.seek(prefix); rows.isValid(); rows.next()) {
              byte[] key = rows.key();
              if (!startsWith(key, prefix)) {
                break;
              }
              int end = instanceEnd(key);
              visitor.visit(
                  new String(key, 0, end, StandardCharsets.UTF_8),
                  Arrays.copyOfRange(key, end + 1, key.length),
                  rows.value());
            }
            rows.status();
          }
          return true;
        });
  }

  private <T> T call(Callable<T> work) throws IOException {
    try {
      return threads.submit(work).get();
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (cause instanceof IOException io) {
        throw io;
      }
      throw new IOException("the mirror's database failed", cause);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted at the mirror's database");
    }
  }

  private static byte[] prefix(String instance) {
    return (instance + "\0").getBytes(StandardCharsets.UTF_8);
  }

  private ColumnFamilyHandle family(MirrorTable table) {
    return Objects.requireNonNull(tables.get(table));
  }

  static byte[] name(DagHash hash) {
    return hash.text().getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] key(String instance, byte[] name) {
    byte[] prefix = prefix(instance);
    return ByteBuffer.allocate(prefix.length + name.length).put(prefix).put(name).array();
  }

  private static int instanceEnd(byte[] key) {
    int end = 0;
    while (key[end] != 0) {
      end++;
    }
    return end;
  }

  private static boolean startsWith(byte[] key, byte[] prefix) {
    return key.length >= prefix.length
        && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
  }
}
