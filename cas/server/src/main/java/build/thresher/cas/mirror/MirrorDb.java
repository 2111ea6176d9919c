package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.SyncedDirectories;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
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

/**
 * The mirror's tables. Keys are {@code instance NUL name}.
 *
 * <ul>
 *   <li>{@code published}: DAG hash → {@link PublishedRecord}
 *   <li>{@code nodes}: DAG hash → the node's text and its dependencies, for every node of every
 *       published DAG: the segments that an index is put together from
 *   <li>{@code indices}: 32 bytes → size and end of service of an index blob
 * </ul>
 *
 * <p>Every write is synced. Threading: any thread; the calls into RocksDB run on a few platform
 * threads, because they would pin a virtual thread's carrier.
 */
final class MirrorDb implements AutoCloseable {
  private static final int THREADS = 4;
  private static final byte[] FORMAT_KEY = "format".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] FORMAT = {1};

  private final RocksDB db;
  private final DBOptions options;
  private final ColumnFamilyOptions familyOptions;
  private final WriteOptions synced = new WriteOptions().setSync(true);
  private final List<ColumnFamilyHandle> families;
  private final ColumnFamilyHandle published;
  private final ColumnFamilyHandle nodes;
  private final ColumnFamilyHandle indices;
  private final ExecutorService threads =
      Executors.newFixedThreadPool(
          THREADS, Thread.ofPlatform().name("mirror-db-", 0).daemon().factory());

  private MirrorDb(
      RocksDB db,
      DBOptions options,
      ColumnFamilyOptions familyOptions,
      List<ColumnFamilyHandle> families) {
    this.db = db;
    this.options = options;
    this.familyOptions = familyOptions;
    this.families = families;
    this.published = families.get(1);
    this.nodes = families.get(2);
    this.indices = families.get(3);
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
    for (String name : List.of("published", "nodes", "indices")) {
      descriptors.add(
          new ColumnFamilyDescriptor(name.getBytes(StandardCharsets.US_ASCII), familyOptions));
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

  /** Makes a spec visible with the nodes that its index entry needs, all or nothing. */
  void publish(String instance, PublishedRecord record, Collection<IndexNode> newNodes)
      throws IOException {
    call(
        () -> {
          try (WriteBatch batch = new WriteBatch()) {
            for (IndexNode node : newNodes) {
              batch.put(nodes, key(instance, node.hash()), nodeValue(node));
            }
            batch.put(published, key(instance, record.spec().hash()), record.toBytes());
            db.write(synced, batch);
          }
          return true;
        });
  }

  @Nullable PublishedRecord find(String instance, DagHash hash) throws IOException {
    byte[] value = call(() -> Found.of(db.get(published, key(instance, hash)))).value();
    return value == null ? null : PublishedRecord.fromBytes(value);
  }

  void eachPublished(Visitor<PublishedRecord> visitor) throws IOException {
    scan(
        published,
        new byte[0],
        (key, value) -> visitor.visit(instanceOf(key), PublishedRecord.fromBytes(value)));
  }

  /** Every node of the instance, in the order of their hashes. */
  void eachNode(String instance, Visitor<IndexNode> visitor) throws IOException {
    scan(nodes, prefix(instance), (key, value) -> visitor.visit(instance, node(key, value)));
  }

  void eachNodeName(Visitor<DagHash> visitor) throws IOException {
    scan(nodes, new byte[0], (key, value) -> visitor.visit(instanceOf(key), hashOf(key)));
  }

  void putIndex(String instance, Digest index, Instant until) throws IOException {
    byte[] value =
        ByteBuffer.allocate(16).putLong(index.sizeBytes()).putLong(until.toEpochMilli()).array();
    call(
        () -> {
          db.put(indices, synced, key(instance, index.hashBytes()), value);
          return true;
        });
  }

  void removeIndex(String instance, Digest index) throws IOException {
    call(
        () -> {
          db.delete(indices, synced, key(instance, index.hashBytes()));
          return true;
        });
  }

  void eachIndex(IndexVisitor visitor) throws IOException {
    scan(
        indices,
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
      throw new java.io.InterruptedIOException("interrupted at the mirror's database");
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

  private static byte[] key(String instance, DagHash hash) {
    return key(instance, hash.text().getBytes(StandardCharsets.US_ASCII));
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
