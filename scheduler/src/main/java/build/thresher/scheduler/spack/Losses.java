package build.thresher.scheduler.spack;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Ending;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Failure;
import build.thresher.scheduler.core.FailureClass;
import build.thresher.scheduler.core.Fence;
import build.thresher.scheduler.core.SpackRequirements;
import build.thresher.scheduler.core.SpackWork;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What becomes of an execution that found blobs missing. Results of the farm are made again; what
 * only a client can bring ends the task, naming each blob, so that the next submission uploads it.
 *
 * <p>Nobody is believed who says that a blob is missing: the store is asked. Any thread; blocks.
 */
public final class Losses {
  private final BlobStore blobs;
  private final SpackMirror mirror;
  private final Documents documents;

  public Losses(BlobStore blobs, SpackMirror mirror, Documents documents) {
    this.blobs = blobs;
    this.mirror = mirror;
    this.documents = documents;
  }

  /** The event that says how the execution ended. */
  public Event judge(Fence fence, Definition definition, Ending ending) throws IOException {
    Failure failure = ending.failure();
    if (failure == null || failure.missingBlobs().isEmpty()) {
      return new Event.Complete(fence, ending);
    }
    Scope scope = Scope.farm(definition.key().instance());
    Set<Digest> missing = blobs.findMissing(scope, failure.missingBlobs());
    if (missing.isEmpty()) {
      Failure transientFailure = new Failure(FailureClass.INFRASTRUCTURE, failure.message());
      return new Event.Complete(
          fence, Ending.failure(transientFailure, ending.log(), ending.usage()));
    }
    if (definition.work() instanceof SpackWork work) {
      return judge(fence, definition, work, ending, missing);
    }
    return new Event.Complete(fence, clientsTurn(ending, missing));
  }

  private Event judge(
      Fence fence, Definition definition, SpackWork work, Ending ending, Set<Digest> missing)
      throws IOException {
    Scope scope = Scope.farm(definition.key().instance());
    Documents.Parsed parsed;
    try {
      parsed = documents.document(scope, work.dag());
    } catch (BlobNotFoundException e) {
      return new Event.Complete(fence, clientsTurn(ending, Set.of(e.digest())));
    } catch (SpecFormatException e) {
      throw new IOException("the document of " + definition.key() + " no longer parses", e);
    }
    Set<Digest> notOurs = new LinkedHashSet<>(missing);
    Set<DagHash> lost = new HashSet<>();
    SpecNode node = parsed.document().node(new DagHash(definition.key().hash()));
    for (SpecNode needed : parsed.closures().inPlace(node)) {
      Optional<PublishedSpec> published = mirror.find(definition.key().instance(), needed.hash());
      if (published.isPresent() && missing.contains(published.get().archive())) {
        lost.add(needed.hash());
        notOurs.remove(published.get().archive());
      } else if (published.isEmpty() && !needed.isExternal()) {
        lost.add(needed.hash());
      }
    }
    if (!notOurs.isEmpty()) {
      return new Event.Complete(fence, clientsTurn(ending, notOurs));
    }
    return new Event.InputsLost(
        fence, ending, producers(definition, work, parsed.closures(), lost));
  }

  /** An execution that could not begin, because dependencies are in the mirror no more. */
  public Event judge(Fence fence, Definition definition, LostResultException lost)
      throws IOException {
    Failure failure = new Failure(FailureClass.INFRASTRUCTURE, String.valueOf(lost.getMessage()));
    if (!(definition.work() instanceof SpackWork work)) {
      return new Event.Complete(fence, Ending.failure(failure));
    }
    try {
      Documents.Parsed parsed =
          documents.document(Scope.farm(definition.key().instance()), work.dag());
      return new Event.InputsLost(
          fence,
          Ending.failure(failure),
          producers(definition, work, parsed.closures(), Set.copyOf(lost.hashes())));
    } catch (SpecFormatException e) {
      throw new IOException("the document of " + definition.key() + " no longer parses", e);
    }
  }

  private static ImmutableList<Definition> producers(
      Definition consumer, SpackWork work, Closures closures, Set<DagHash> lost) {
    if (!(consumer.requirements() instanceof SpackRequirements needed)) {
      throw new IllegalArgumentException(consumer.key() + " is no Spack node");
    }
    return closures.inOrder(lost).stream()
        .map(
            node ->
                Definitions.of(
                    consumer.key().instance(),
                    closures,
                    node,
                    lost::contains,
                    needed.labels(),
                    work))
        .collect(ImmutableList.toImmutableList());
  }

  private static Ending clientsTurn(Ending ending, Collection<Digest> missing) {
    String named =
        missing.stream().sorted().limit(20).map(Digest::toString).collect(Collectors.joining(", "));
    Failure failure =
        new Failure(
            FailureClass.INPUT,
            "the store no longer has "
                + named
                + (missing.size() > 20 ? " and " + (missing.size() - 20) + " more" : "")
                + "; ask again, which uploads what is missing",
            false,
            ImmutableList.copyOf(missing));
    return Ending.failure(failure, ending.log(), ending.usage());
  }
}
