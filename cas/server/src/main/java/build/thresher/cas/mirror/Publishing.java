package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.cas.mirror.MirrorDb.IndexNode;
import com.google.common.collect.ImmutableMap;
import com.google.common.util.concurrent.Striped;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How a spec comes into a mirror: its archive is checked, its blobs are pinned, manifest and nodes
 * are committed in one synced batch, and then it is shown. A crash leaves it published or not at
 * all. The first archive of a hash wins, for as long as the store has its blobs.
 *
 * <p>Threading: any thread; calls block. Different specs come in side by side.
 */
final class Publishing {
  private static final Logger LOG = LoggerFactory.getLogger(Publishing.class);

  private final MirrorDb db;
  private final BlobStore blobs;
  private final UsedSpecs used;
  private final BuiltSpecChecker checker;
  private final InstantSource clock;
  private final Striped<Lock> perSpec = Striped.lock(256);

  Publishing(
      MirrorDb db, BlobStore blobs, UsedSpecs used, BuiltSpecChecker checker, InstantSource clock) {
    this.db = db;
    this.blobs = blobs;
    this.used = used;
    this.checker = checker;
    this.clock = clock;
  }

  /** The winner of this hash: this one, or who came before it. */
  PublishedSpec publish(String instance, InstanceMirror mirror, BuiltSpec built)
      throws ArchiveRefusedException, IOException {
    DagHash hash = built.node().hash();
    Optional<PublishedSpec> winner = whole(instance, mirror, hash);
    if (winner.isPresent()) {
      return winner.get();
    }
    Lock lock = perSpec.get(instance + "/" + hash);
    lock.lock();
    try {
      winner = whole(instance, mirror, hash);
      return winner.isPresent() ? winner.get() : publishFirst(instance, mirror, built);
    } finally {
      lock.unlock();
    }
  }

  /** What was published, unless the store has lost what it names: then the next one may win. */
  Optional<PublishedSpec> whole(String instance, InstanceMirror mirror, DagHash hash)
      throws IOException {
    Optional<PublishedSpec> spec = Optional.ofNullable(mirror.find(hash));
    boolean lost =
        spec.isPresent()
            && !blobs
                .findMissing(Scope.farm(instance), RocksSpackMirror.blobsOf(spec.get()))
                .isEmpty();
    return lost ? Optional.empty() : spec;
  }

  /**
   * Publishes what another instance has checked and published, signed with this one's key. An
   * archive of this hash that is there already stays.
   *
   * @param closure what the index needs to know of the other instance
   */
  PublishedSpec adopt(
      String instance,
      InstanceMirror mirror,
      PublishedRecord record,
      String from,
      Set<DagHash> closure)
      throws IOException {
    DagHash hash = record.spec().hash();
    Lock lock = perSpec.get(instance + "/" + hash);
    lock.lock();
    try {
      Optional<PublishedSpec> winner = whole(instance, mirror, hash);
      if (winner.isPresent()) {
        return winner.get();
      }
      Lock shared = mirror.publishing();
      shared.lock();
      try {
        List<IndexNode> nodes = new ArrayList<>();
        for (DagHash each : closure) {
          IndexNode node = mirror.knowsNode(each) ? null : db.node(from, each);
          if (node != null) {
            nodes.add(node);
          }
        }
        show(instance, mirror, record.signedBy(mirror.key().signer()), nodes);
      } finally {
        shared.unlock();
      }
      return record.spec();
    } finally {
      lock.unlock();
    }
  }

  private PublishedSpec publishFirst(String instance, InstanceMirror mirror, BuiltSpec built)
      throws ArchiveRefusedException, IOException {
    SpecDocument document = checker.check(instance, built);
    SpecNode node = built.node();
    PublishedSpec spec =
        new PublishedSpec(
            node.hash(),
            node.name(),
            node.version(),
            built.archive(),
            built.spec(),
            built.prefix());
    List<IndexNode> nodes = new ArrayList<>();
    for (SpecNode each : document.nodes().values()) {
      nodes.add(IndexNode.of(document, each));
    }
    Lock shared = mirror.publishing();
    shared.lock();
    try {
      PublishedRecord record =
          new PublishedRecord(
                  spec,
                  built.archiveMediaType(),
                  built.specMediaType(),
                  built.installRoot(),
                  ImmutableMap.copyOf(built.provenance()),
                  clock.instant(),
                  "")
              .signedBy(mirror.key().signer());
      show(instance, mirror, record, nodes);
    } finally {
      shared.unlock();
    }
    LOG.info("published {} in instance `{}`: {}", node.display(), instance, built.archive());
    return spec;
  }

  /** Pins, commits, and shows. What was checked does not change while this is done. */
  private void show(
      String instance, InstanceMirror mirror, PublishedRecord record, Iterable<IndexNode> nodes)
      throws IOException {
    PublishedSpec spec = record.spec();
    List<IndexNode> newNodes = new ArrayList<>();
    for (IndexNode node : nodes) {
      if (!mirror.knowsNode(node.hash())) {
        newNodes.add(node);
      }
    }
    PublishedSpec lost = mirror.find(spec.hash());
    List<Digest> named = RocksSpackMirror.blobsOf(spec);
    // Before the commit: a crash in between leaves a pin too many, never a blob too few.
    blobs.pin(Scope.farm(instance), named);
    try {
      db.publish(instance, record, newNodes);
    } catch (IOException e) {
      blobs.unpin(Scope.farm(instance), named);
      throw e;
    }
    newNodes.forEach(n -> mirror.addNode(n.hash()));
    mirror.add(record);
    used.touch(instance, spec.hash());
    if (lost != null) {
      LOG.warn("{} in `{}` had lost {}", RocksSpackMirror.display(spec), instance, lost.archive());
      unpin(instance, lost);
    }
  }

  void unpin(String instance, PublishedSpec spec) throws IOException {
    for (Digest digest : RocksSpackMirror.blobsOf(spec)) {
      try {
        blobs.unpin(Scope.farm(instance), List.of(digest));
      } catch (BlobNotFoundException e) {
        LOG.debug("its pin went with the blob", e);
      }
    }
  }
}
