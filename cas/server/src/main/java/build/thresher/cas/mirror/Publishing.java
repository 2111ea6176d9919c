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
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import com.google.common.util.concurrent.Striped;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How specs come into a mirror: their archives are checked and their manifests signed, then their
 * blobs are pinned, manifests and nodes are committed in one synced batch, and they are shown. A
 * crash leaves them published or not at all. The first archive of a hash wins, for as long as the
 * store has its blobs.
 *
 * <p>Threading: any thread; calls block. Checking and signing hold no lock; different specs come in
 * side by side.
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

  /** Puts a node into the form that an index has. */
  interface Indexed {
    IndexNode node() throws IOException;
  }

  /**
   * What may be shown.
   *
   * @param nodes what the index needs to know of it; most it knows already
   */
  record Checked(PublishedRecord record, Signer signer, Map<DagHash, Indexed> nodes) {
    DagHash hash() {
      return record.spec().hash();
    }

    /** The key may have changed since. */
    Checked signedBy(Signer current) throws IOException {
      return signer.equals(current) ? this : new Checked(record.signedBy(current), current, nodes);
    }
  }

  /** The winner of this hash: this one, or who came before it. */
  PublishedSpec publish(String instance, InstanceMirror mirror, BuiltSpec built)
      throws ArchiveRefusedException, IOException {
    Optional<PublishedSpec> winner = whole(instance, mirror, built.node().hash());
    return winner.isPresent()
        ? winner.get()
        : publish(instance, mirror, List.of(check(instance, mirror, OfferedSpec.of(built))))
            .getFirst();
  }

  /** Holds a result to the rules, and signs it; nothing is shown yet. */
  Checked check(String instance, InstanceMirror mirror, OfferedSpec offered)
      throws ArchiveRefusedException, IOException {
    BuiltSpecChecker.Sound sound = checker.check(instance, offered);
    SpecDocument document = sound.document();
    SpecNode node = offered.node();
    Map<DagHash, Indexed> nodes =
        Maps.transformValues(document.nodes(), each -> () -> IndexNode.of(document, each));
    PublishedRecord record =
        new PublishedRecord(
            new PublishedSpec(
                node.hash(),
                node.name(),
                node.version(),
                offered.archive(),
                offered.spec(),
                sound.builtAt().prefix()),
            offered.archiveMediaType(),
            offered.specMediaType(),
            sound.builtAt().installRoot(),
            ImmutableMap.copyOf(offered.provenance()),
            clock.instant(),
            "");
    Signer signer = mirror.key().signer();
    return new Checked(record.signedBy(signer), signer, nodes);
  }

  /** The winner of each hash, in this order: all that are new become visible together. */
  List<PublishedSpec> publish(String instance, InstanceMirror mirror, List<Checked> checked)
      throws IOException {
    List<Lock> locks = new ArrayList<>();
    perSpec
        .bulkGet(checked.stream().map(each -> instance + "/" + each.hash()).toList())
        .forEach(locks::add);
    locks.forEach(Lock::lock);
    try {
      Map<DagHash, PublishedSpec> winners = new HashMap<>();
      List<Checked> first = new ArrayList<>();
      for (Checked each : checked) {
        Optional<PublishedSpec> winner = whole(instance, mirror, each.hash());
        if (winners.putIfAbsent(each.hash(), winner.orElse(each.record().spec())) == null
            && winner.isEmpty()) {
          first.add(each);
        }
      }
      show(instance, mirror, first);
      return checked.stream()
          .map(each -> Objects.requireNonNull(winners.get(each.hash())))
          .toList();
    } finally {
      locks.forEach(Lock::unlock);
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
        Map<DagHash, Indexed> nodes = new HashMap<>();
        for (DagHash each : closure) {
          IndexNode node = mirror.knowsNode(each) ? null : db.nodes().find(from, each);
          if (node != null) {
            nodes.put(each, () -> node);
          }
        }
        Signer signer = mirror.key().signer();
        show(instance, mirror, List.of(new Checked(record.signedBy(signer), signer, nodes)));
      } finally {
        shared.unlock();
      }
      return record.spec();
    } finally {
      lock.unlock();
    }
  }

  /** Pins, commits, and shows. What was checked does not change while this is done. */
  private void show(String instance, InstanceMirror mirror, List<Checked> checked)
      throws IOException {
    if (checked.isEmpty()) {
      return;
    }
    Lock shared = mirror.publishing();
    shared.lock();
    try {
      List<PublishedRecord> records = new ArrayList<>();
      Map<DagHash, IndexNode> newNodes = new LinkedHashMap<>();
      List<Digest> named = new ArrayList<>();
      for (Checked each : checked) {
        PublishedRecord record = each.signedBy(mirror.key().signer()).record();
        records.add(record);
        named.addAll(RocksSpackMirror.blobsOf(record.spec()));
        for (Map.Entry<DagHash, Indexed> node : each.nodes().entrySet()) {
          if (!mirror.knowsNode(node.getKey()) && !newNodes.containsKey(node.getKey())) {
            newNodes.put(node.getKey(), node.getValue().node());
          }
        }
      }
      // Before the commit: a crash in between leaves a pin too many, never a blob too few.
      blobs.pin(Scope.farm(instance), named);
      try {
        db.publish(instance, records, newNodes.values());
      } catch (IOException e) {
        blobs.unpin(Scope.farm(instance), named);
        throw e;
      }
      newNodes.keySet().forEach(mirror::addNode);
      for (PublishedRecord record : records) {
        show(instance, mirror, record);
      }
    } finally {
      shared.unlock();
    }
  }

  private void show(String instance, InstanceMirror mirror, PublishedRecord record)
      throws IOException {
    PublishedSpec spec = record.spec();
    String display = RocksSpackMirror.display(spec);
    PublishedSpec lost = mirror.find(spec.hash());
    mirror.add(record);
    used.touch(instance, spec.hash());
    LOG.info("published {} in instance `{}`: {}", display, instance, spec.archive());
    if (lost != null) {
      LOG.warn("{} in `{}` had lost {}", display, instance, lost.archive());
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
