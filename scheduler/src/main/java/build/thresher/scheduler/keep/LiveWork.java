package build.thresher.scheduler.keep;

import build.bazel.remote.execution.v2.Action;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.scheduler.core.ActionWork;
import build.thresher.scheduler.core.CoreView.Unpublished;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.shell.CoreLoop;
import build.thresher.scheduler.shell.UnavailableException;
import build.thresher.scheduler.spack.Documents;
import build.thresher.scheduler.wire.Wire;
import build.thresher.scheduler.worker.NamedBlobs;
import com.google.common.collect.HashMultimap;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.SetMultimap;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps in the blob store what work that is not over names: of a Spack node its document, the texts
 * of the nodes below it, the trees it brings and the sources that were uploaded; of an action the
 * action, its command and its input root; of either, its results until they are published. What is
 * in a mirror stays by the mirror's pins.
 *
 * <p>When work is accepted, all of that was just found in the store and is kept for the store's
 * guaranteed lifetime; builds and queues may last longer. Rounds have to come more often than that.
 *
 * <p>Not for several threads; blocks.
 */
public final class LiveWork {
  private static final Logger log = LoggerFactory.getLogger(LiveWork.class);

  private final CoreLoop core;
  private final BlobStore blobs;
  private final Documents documents;
  private final NamedBlobs results;
  private final Map<String, LeasedBlobs> leasedOf = new HashMap<>();

  public LiveWork(CoreLoop core, BlobStore blobs, Documents documents) {
    this.core = core;
    this.blobs = blobs;
    this.documents = documents;
    this.results = new NamedBlobs(blobs);
  }

  private record Live(ImmutableList<Definition> wanted, ImmutableList<Unpublished> unpublished) {}

  /**
   * A round.
   *
   * @throws IOException when not all could be kept; the next round tries again
   */
  public void keep(Instant now) throws IOException, InterruptedException {
    Live live;
    try {
      live = core.ask(view -> new Live(view.wanted(), view.unpublished()));
    } catch (UnavailableException e) {
      throw new IOException("the scheduler cannot say what running work needs", e);
    }
    Map<String, List<Definition>> byInstance =
        live.wanted().stream().collect(Collectors.groupingBy(d -> d.key().instance()));
    leasedOf.keySet().retainAll(byInstance.keySet());
    for (Map.Entry<String, List<Definition>> of : byInstance.entrySet()) {
      keep(of.getKey(), of.getValue(), now);
    }
    for (Unpublished result : live.unpublished()) {
      Set<Digest> lost =
          results.missing(Scope.farm(result.key().instance()), result.ending()); // a use of them
      if (!lost.isEmpty()) {
        log.warn("{}: not yet published, and lost {}", result.key(), lost);
      }
    }
  }

  private void keep(String instance, List<Definition> wanted, Instant now) throws IOException {
    LeasedBlobs leases =
        leasedOf.computeIfAbsent(instance, name -> new LeasedBlobs(blobs, Scope.farm(instance)));
    OneInstance of = new OneInstance(Scope.farm(instance), leases.round(now));
    SetMultimap<SpackWork, String> nodes = HashMultimap.create();
    for (Definition definition : wanted) {
      switch (definition.work()) {
        case SpackWork work -> nodes.put(work, definition.key().hash());
        case ActionWork work -> of.action(work.action());
      }
    }
    for (Map.Entry<SpackWork, Collection<String>> work : nodes.asMap().entrySet()) {
      of.spack(work.getKey(), work.getValue());
    }
    long leased = of.round.take();
    if (leased > 0) {
      log.info("live work of {} leased blobs={} until={}", instance, leased, leases.until());
    }
    of.warnOfLost(instance);
  }

  /** Names what the work of an instance needs. */
  private final class OneInstance {
    private final Scope scope;
    private final LeasedBlobs.Round round;
    private final Set<Digest> lost = new LinkedHashSet<>();

    OneInstance(Scope scope, LeasedBlobs.Round round) {
      this.scope = scope;
      this.round = round;
    }

    void action(Digest digest) throws IOException {
      if (!round.isNew(digest)) {
        return;
      }
      try {
        Action action = Action.parseFrom(blobs.readAll(scope, digest));
        round.blob(digest);
        round.blob(Wire.digest(action.getCommandDigest()));
        round.tree(Wire.digest(action.getInputRootDigest()));
      } catch (BlobNotFoundException e) {
        lost.add(digest);
      } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
        log.error("the action {}, which was accepted, does not parse", digest, e);
      }
    }

    void spack(SpackWork work, Collection<String> nodes) throws IOException {
      round.tree(work.inputs().core());
      round.tree(work.inputs().recipes());
      round.tree(work.inputs().configuration());
      round.blob(work.dag());
      Digest sources = work.sources();
      try {
        documents.document(scope, work.dag()).textsBelow(nodes).forEach(round::blob);
        if (sources != null) {
          round.blob(sources);
          documents.uploaded(scope, sources, nodes).forEach(round::blob);
        }
      } catch (BlobNotFoundException e) {
        lost.add(e.digest());
      } catch (SpecFormatException | IllegalArgumentException e) {
        log.error("what was accepted with the document {} does not parse", work.dag(), e);
      }
    }

    void warnOfLost(String instance) {
      lost.addAll(round.missing());
      if (!lost.isEmpty()) {
        log.warn(
            "live work of {} needs {} blobs that the store has no more, such as {}: it fails where"
                + " it reads them, and asking again uploads them",
            instance,
            lost.size(),
            lost.iterator().next());
      }
    }
  }
}
