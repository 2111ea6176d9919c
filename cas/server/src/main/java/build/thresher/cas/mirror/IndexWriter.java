package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.CorruptBlobException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.NamingBlobWriter;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the texts of one index: the first from every node in the database, each further one from
 * the text before it, of which it copies what is the same. Of a hundred thousand specs that is more
 * than 100 MB; they pass through one buffer, and are hashed once. One thread.
 */
final class IndexWriter {
  private static final Logger LOG = LoggerFactory.getLogger(IndexWriter.class);

  /** Up to so many nodes are looked up one by one, and held in memory. */
  private static final int FEW = 2000;

  private final String instance;
  private final ImmutableList<IndexVersion> versions;
  private final MirrorDb db;
  private final NamingBlobStore blobs;
  private final SupersededIndices superseded;
  private final Scope scope;

  IndexWriter(
      String instance,
      ImmutableList<IndexVersion> versions,
      MirrorDb db,
      NamingBlobStore blobs,
      SupersededIndices superseded) {
    this.versions = versions;
    this.instance = instance;
    this.db = db;
    this.blobs = blobs;
    this.superseded = superseded;
    this.scope = Scope.farm(instance);
  }

  /** An index that is in the store, in each version. */
  record Written(IndexEntries entries, ImmutableMap<IndexVersion, Digest> texts) {}

  /** A node was there when the index was planned, and went before it was written. */
  private static final class NodeGoneException extends IOException {
    private static final long serialVersionUID = 1;

    NodeGoneException(DagHash hash) {
      super("node " + hash + " went while the index was written; ask again");
    }
  }

  /** Writes an index that follows on this one; the same comes back when nothing is new. */
  Written write(@Nullable Written before, IndexContent content) throws IOException {
    SortedMap<DagHash, IndexNode> fresh = before == null ? null : fresh(before.entries(), content);
    if (before != null && fresh != null) {
      try {
        return writeNext(before, fresh, content);
      } catch (BlobNotFoundException | CorruptBlobException e) {
        LOG.warn("the last index of `{}` is lost; it is written from every node", instance, e);
      }
    }
    try {
      return writeFirst(content);
    } catch (NodeGoneException e) {
      LOG.debug("once more", e);
      return writeFirst(content);
    }
  }

  /** What is listed now and was not before; null where something went, or too much came. */
  private @Nullable SortedMap<DagHash, IndexNode> fresh(IndexEntries before, IndexContent content)
      throws IOException {
    List<DagHash> fresh = new ArrayList<>();
    int next = 0;
    for (DagHash hash : content.listed()) {
      int order = next < before.size() ? hash.compareTo(before.hash(next)) : -1;
      if (order > 0 || fresh.size() == FEW) {
        return null;
      }
      if (order < 0) {
        fresh.add(hash);
      } else {
        next++;
      }
    }
    if (next < before.size()) {
      return null;
    }
    SortedMap<DagHash, IndexNode> nodes = new TreeMap<>();
    db.nodes().each(instance, fresh, (i, node) -> nodes.put(node.hash(), node));
    return nodes;
  }

  /**
   * Entries of what was there and of what is new.
   *
   * @param references to any node, which nobody has counted yet
   */
  private static IndexEntries merge(
      IndexEntries before,
      Collection<IndexNode> fresh,
      Map<DagHash, Integer> references,
      IndexContent content) {
    before.unlisted().forEach((hash, count) -> references.merge(hash, count, Integer::sum));
    IndexEntries merged = new IndexEntries(before.size() + fresh.size());
    int next = 0;
    for (IndexNode node : fresh) {
      while (next < before.size() && before.hash(next).compareTo(node.hash()) < 0) {
        keep(merged, before, next++, references, content);
      }
      Integer count = references.remove(node.hash());
      boolean offered = content.offers(node.hash());
      merged.add(node.hash(), node.json().length, count == null ? 0 : count, offered);
    }
    while (next < before.size()) {
      keep(merged, before, next++, references, content);
    }
    merged.setUnlisted(ImmutableMap.copyOf(references));
    return merged;
  }

  private static void keep(
      IndexEntries merged,
      IndexEntries before,
      int entry,
      Map<DagHash, Integer> references,
      IndexContent content) {
    DagHash hash = before.hash(entry);
    Integer more = references.remove(hash);
    int count = before.references(entry) + (more == null ? 0 : more);
    merged.add(hash, before.jsonBytes(entry), count, content.offers(hash));
  }

  private static Map<DagHash, Integer> references(Collection<IndexNode> nodes) {
    Map<DagHash, Integer> references = new HashMap<>();
    nodes.forEach(n -> n.dependencies().forEach(d -> references.merge(d, 1, Integer::sum)));
    return references;
  }

  private Written writeNext(
      Written before, SortedMap<DagHash, IndexNode> fresh, IndexContent content)
      throws IOException {
    IndexEntries now = merge(before.entries(), fresh.values(), references(fresh.values()), content);
    if (now.sameAs(before.entries())) {
      return before;
    }
    ImmutableMap.Builder<IndexVersion, Digest> texts = ImmutableMap.builder();
    for (Map.Entry<IndexVersion, Digest> text : before.texts().entrySet()) {
      IndexVersion version = text.getKey();
      try (InputStream in = blobs.read(scope, text.getValue(), 0, Long.MAX_VALUE)) {
        OlderText older = new OlderText(in, version, before.entries());
        texts.put(version, store(version, now, out -> writeNext(out, now, fresh, older)));
      }
    }
    return new Written(now, texts.buildOrThrow());
  }

  private static void writeNext(
      IndexText out, IndexEntries now, SortedMap<DagHash, IndexNode> fresh, OlderText older)
      throws IOException {
    for (int entry = 0; entry < now.size(); entry++) {
      if (older.has(now, entry)) {
        older.leave();
        continue;
      }
      older.copyLeft(out);
      IndexNode node = fresh.get(now.hash(entry));
      out.begin(now.hash(entry));
      if (node == null) {
        older.copyJson(out);
      } else {
        out.write(node.json());
      }
      out.end(now.references(entry), now.offered(entry));
    }
    older.copyLeft(out);
  }

  private Written writeFirst(IndexContent content) throws IOException {
    SortedSet<DagHash> listed = content.listed();
    Map<DagHash, Integer> references = new HashMap<>();
    IndexEntries uncounted = new IndexEntries(listed.size());
    Held held = new Held();
    eachNode(
        listed,
        node -> {
          uncounted.add(node.hash(), node.json().length, 0, false);
          node.dependencies().forEach(d -> references.merge(d, 1, Integer::sum));
          held.add(node);
        });
    IndexEntries entries = merge(uncounted, List.of(), references, content);
    ImmutableMap.Builder<IndexVersion, Digest> texts = ImmutableMap.builder();
    for (IndexVersion version : versions) {
      texts.put(version, store(version, entries, out -> writeFirst(out, entries, listed, held)));
    }
    return new Written(entries, texts.buildOrThrow());
  }

  private void writeFirst(IndexText out, IndexEntries entries, SortedSet<DagHash> listed, Held held)
      throws IOException {
    AtomicInteger next = new AtomicInteger();
    NodeVisitor visitor =
        node -> {
          int entry = next.get();
          int order = entry == entries.size() ? -1 : node.hash().compareTo(entries.hash(entry));
          if (order > 0) {
            throw new NodeGoneException(entries.hash(entry));
          }
          if (order == 0) {
            out.begin(node.hash());
            out.write(node.json());
            out.end(entries.references(entry), entries.offered(entry));
            next.incrementAndGet();
          }
        };
    if (held.areAll()) {
      held.each(visitor);
    } else {
      eachNode(listed, visitor);
    }
    if (next.get() < entries.size()) {
      throw new NodeGoneException(entries.hash(next.get()));
    }
  }

  private interface Body {
    void write(IndexText text) throws IOException;
  }

  private Digest store(IndexVersion version, IndexEntries entries, Body body) throws IOException {
    long bytes = IndexText.bytes(version, entries);
    superseded.makeRoom(bytes);
    try (NamingBlobWriter out = blobs.writeUnnamed(scope, bytes)) {
      IndexText text = new IndexText(version, out);
      body.write(text);
      text.end();
      // Noted before it is stored, so that a crash in between leaves no blob that nobody removes.
      superseded.note(instance, out.name());
      out.commit();
      return out.name();
    }
  }

  private interface NodeVisitor {
    void visit(IndexNode node) throws IOException;
  }

  /** The nodes that were counted, unless they are too many to be kept until they are written. */
  private static final class Held {
    private static final int MAX_BYTES = 16 << 20;

    private final List<IndexNode> nodes = new ArrayList<>();
    private long bytes;

    void add(IndexNode node) {
      bytes += node.json().length;
      nodes.add(node);
      if (!areAll()) {
        nodes.clear();
      }
    }

    boolean areAll() {
      return bytes <= MAX_BYTES;
    }

    void each(NodeVisitor visitor) throws IOException {
      for (IndexNode node : nodes) {
        visitor.visit(node);
      }
    }
  }

  /** In the order of their hashes, so that the same content is the same text. */
  private void eachNode(SortedSet<DagHash> listed, NodeVisitor visitor) throws IOException {
    if (listed.size() > FEW) {
      db.nodes()
          .each(
              instance,
              (i, node) -> {
                if (listed.contains(node.hash())) {
                  visitor.visit(node);
                }
              });
      return;
    }
    db.nodes().each(instance, listed, (i, node) -> visitor.visit(node));
  }
}
