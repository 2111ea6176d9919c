package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.SyncedDirectories;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.io.ByteArrayOutputStream;
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

  /** Makes specs visible with the nodes that their index entries need, all or nothing. */
  void publish(String instance, Collection<PublishedRecord> records, Collection<IndexNode> newNodes)
      throws IOException {
    Changes changes = new Changes();
    for (IndexNode node : newNodes) {
      changes.put(MirrorTable.NODES, instance, name(node.hash()), nodeValue(node));
    }
    for (PublishedRecord record : records) {
      changes.put(MirrorTable.PUBLISHED, instance, name(record.spec().hash()), record.toBytes());
    }
    write(changes);
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

  /** Every row of a table, of all instances. */
  void eachRow(MirrorTable table, NamedVisitor visitor) throws IOException {
    scan(
        family(table),
        new byte[0],
        (key, value) -> {
          String instance = instanceOf(key);
          visitor.visit(
              instance, Arrays.copyOfRange(key, prefix(instance).length, key.length), value);
        });
  }

  byte @Nullable [] find(MirrorTable table, String instance, byte[] name) throws IOException {
    return call(() -> Found.of(db.get(family(table), key(instance, name)))).value();
  }

  @Nullable PublishedRecord find(String instance, DagHash hash) throws IOException {
    byte[] value = find(MirrorTable.PUBLISHED, instance, name(hash));
    return value == null ? null : PublishedRecord.fromBytes(value);
  }

  @Nullable IndexNode node(String instance, DagHash hash) throws IOException {
    byte[] name = name(hash);
    byte[] value = find(MirrorTable.NODES, instance, name);
    return value == null ? null : node(name, value);
  }

  void eachPublished(Visitor<PublishedRecord> visitor) throws IOException {
    scan(
        family(MirrorTable.PUBLISHED),
        new byte[0],
        (key, value) -> visitor.visit(instanceOf(key), PublishedRecord.fromBytes(value)));
  }

  /** Every node of the instance, in the order of their hashes. */
  void eachNode(String instance, Visitor<IndexNode> visitor) throws IOException {
    scan(
        family(MirrorTable.NODES),
        prefix(instance),
        (key, value) -> visitor.visit(instance, node(key, value)));
  }

  /** Those of these nodes that are there, in this order. */
  void eachNode(String instance, Iterable<DagHash> hashes, Visitor<IndexNode> visitor)
      throws IOException {
    call(
        () -> {
          for (DagHash hash : hashes) {
            byte[] name = name(hash);
            byte[] value = db.get(family(MirrorTable.NODES), key(instance, name));
            if (value != null) {
              visitor.visit(instance, node(name, value));
            }
          }
          return true;
        });
  }

  void eachNodeName(Visitor<DagHash> visitor) throws IOException {
    scan(
        family(MirrorTable.NODES),
        new byte[0],
        (key, value) -> visitor.visit(instanceOf(key), hashOf(key)));
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
    scan(
        family(MirrorTable.INDICES),
        new byte[0],
        (key, value) -> {
          ByteBuffer b = ByteBuffer.wrap(value);
          byte[] hash = Arrays.copyOfRange(key, key.length - Digest.HASH_BYTES, key.length);
          Digest digest = Digest.fromHash(hash, b.getLong());
          visitor.visit(instanceOf(key), digest, Instant.ofEpochMilli(b.getLong()));
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

  /**
   * A node of an index.
   *
   * @param json the node's compact text
   */
  @SuppressWarnings("ArrayRecordComponent") // read once, never compared
  record IndexNode(DagHash hash, List<DagHash> dependencies, byte[] json) {
    /** A node of a document, in the form that the index has. */
    static IndexNode of(SpecDocument document, SpecNode node) throws IOException {
      boolean legacy = document.version() == LegacyNodes.VERSION;
      return new IndexNode(
          node.hash(),
          node.dependencies().stream().map(SpecDependency::hash).toList(),
          legacy ? LegacyNodes.forIndex(node.json()) : node.json());
    }
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

  private interface RowVisitor {
    void visit(byte[] key, byte[] value) throws IOException;
  }

  @SuppressWarnings("ArrayRecordComponent") // carries a value across threads
  private record Found(byte @Nullable [] value) {
    static Found of(byte @Nullable [] value) {
      return new Found(value);
    }
  }

  private void scan(ColumnFamilyHandle family, byte[] prefix, RowVisitor visitor)
      throws IOException {
    call(
        () -> {
          try (RocksIterator rows = db.newIterator(family)) {
            for (rows.seek(prefix); rows.isValid() && startsWith(rows.key(), prefix); rows.next()) {
              visitor.visit(rows.key(), rows.value());
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

  private static byte[] nodeValue(IndexNode node) {
    List<DagHash> dependencies = node.dependencies();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ByteBuffer.allocate(4).putInt(dependencies.size()).array());
    dependencies.forEach(d -> out.writeBytes(d.text().getBytes(StandardCharsets.US_ASCII)));
    out.writeBytes(node.json());
    return out.toByteArray();
  }

  private static IndexNode node(byte[] key, byte[] value) {
    ByteBuffer b = ByteBuffer.wrap(value);
    List<DagHash> dependencies = new ArrayList<>();
    byte[] hash = new byte[DagHash.LENGTH];
    for (int n = b.getInt(); n > 0; n--) {
      b.get(hash);
      dependencies.add(new DagHash(new String(hash, StandardCharsets.US_ASCII)));
    }
    byte[] json = new byte[b.remaining()];
    b.get(json);
    return new IndexNode(hashOf(key), dependencies, json);
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

  private static String instanceOf(byte[] key) {
    int end = 0;
    while (key[end] != 0) {
      end++;
    }
    return new String(key, 0, end, StandardCharsets.UTF_8);
  }

  private static DagHash hashOf(byte[] key) {
    return new DagHash(
        new String(key, key.length - DagHash.LENGTH, DagHash.LENGTH, StandardCharsets.US_ASCII));
  }

  private static boolean startsWith(byte[] key, byte[] prefix) {
    return key.length >= prefix.length
        && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
  }
}
