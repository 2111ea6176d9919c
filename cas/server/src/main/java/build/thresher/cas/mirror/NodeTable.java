package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.mirror.MirrorDb.Changes;
import build.thresher.cas.mirror.MirrorDb.Visitor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every node of every published DAG: its text, from which indices are put together, and its {@link
 * NodeFacts}, which a walk over all nodes reads without the texts. Threading: any thread.
 */
final class NodeTable {
  private static final Logger LOG = LoggerFactory.getLogger(NodeTable.class);
  static final String HAVE_FACTS = "nodes have facts";
  private static final int NODES_A_BATCH = 1000;

  private final MirrorDb db;

  NodeTable(MirrorDb db) {
    this.db = db;
  }

  /** Sees what is known of a node. */
  interface FactsVisitor {
    void visit(DagHash node, NodeFacts facts) throws IOException;
  }

  void put(String instance, IndexNode node, Changes changes) throws IOException {
    byte[] name = MirrorDb.name(node.hash());
    changes.put(MirrorTable.NODES, instance, name, toBytes(node));
    changes.put(MirrorTable.FACTS, instance, name, NodeFacts.of(node).toBytes());
  }

  void delete(String instance, DagHash node, Changes changes) {
    changes.delete(MirrorTable.NODES, instance, MirrorDb.name(node));
    changes.delete(MirrorTable.FACTS, instance, MirrorDb.name(node));
  }

  @Nullable IndexNode find(String instance, DagHash hash) throws IOException {
    byte[] name = MirrorDb.name(hash);
    byte[] row = db.find(MirrorTable.NODES, instance, name);
    return row == null ? null : fromBytes(name, row);
  }

  /** Every node of the instance, in the order of their hashes. */
  void each(String instance, Visitor<IndexNode> visitor) throws IOException {
    db.eachRow(
        MirrorTable.NODES, instance, (i, name, row) -> visitor.visit(i, fromBytes(name, row)));
  }

  /** Those of these nodes that are there, in this order. */
  void each(String instance, Iterable<DagHash> hashes, Visitor<IndexNode> visitor)
      throws IOException {
    db.eachRow(
        MirrorTable.NODES,
        instance,
        hashes,
        (i, name, row) -> visitor.visit(i, fromBytes(name, row)));
  }

  /** The names of the nodes of all instances. */
  void eachName(Visitor<DagHash> visitor) throws IOException {
    db.eachRow(MirrorTable.FACTS, (instance, name, row) -> visitor.visit(instance, hash(name)));
  }

  @Nullable NodeFacts facts(String instance, DagHash hash) throws IOException {
    byte[] row = db.find(MirrorTable.FACTS, instance, MirrorDb.name(hash));
    return row == null ? null : NodeFacts.fromBytes(row);
  }

  void eachFacts(String instance, FactsVisitor visitor) throws IOException {
    db.eachRow(
        MirrorTable.FACTS,
        instance,
        (i, name, row) -> visitor.visit(hash(name), NodeFacts.fromBytes(row)));
  }

  /**
   * Finds out the facts of nodes that were written by a version that kept none. Begun again where
   * it was interrupted before.
   */
  void completeFacts() throws IOException {
    if (db.isComplete(HAVE_FACTS)) {
      return;
    }
    Completion completion = new Completion();
    db.eachRow(MirrorTable.NODES, completion::add);
    completion.write();
    db.setComplete(HAVE_FACTS);
    if (completion.nodes > 0) {
      LOG.info("noted what {} nodes of before need", completion.nodes);
    }
  }

  private final class Completion {
    private int nodes;
    private Changes changes = db.changes();

    void add(String instance, byte[] name, byte[] row) throws IOException {
      byte[] facts = NodeFacts.of(fromBytes(name, row)).toBytes();
      changes.put(MirrorTable.FACTS, instance, name, facts);
      if (++nodes % NODES_A_BATCH == 0) {
        write();
        changes = db.changes();
      }
    }

    void write() throws IOException {
      db.write(changes);
    }
  }

  private static byte[] toBytes(IndexNode node) {
    List<DagHash> dependencies = node.dependencies();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ByteBuffer.allocate(4).putInt(dependencies.size()).array());
    dependencies.forEach(d -> out.writeBytes(MirrorDb.name(d)));
    out.writeBytes(node.json());
    return out.toByteArray();
  }

  private static IndexNode fromBytes(byte[] name, byte[] row) {
    ByteBuffer b = ByteBuffer.wrap(row);
    List<DagHash> dependencies = new ArrayList<>();
    byte[] hash = new byte[DagHash.LENGTH];
    for (int n = b.getInt(); n > 0; n--) {
      b.get(hash);
      dependencies.add(hash(hash));
    }
    byte[] json = new byte[b.remaining()];
    b.get(json);
    return new IndexNode(hash(name), dependencies, json);
  }

  private static DagHash hash(byte[] name) {
    return new DagHash(new String(name, StandardCharsets.US_ASCII));
  }
}
