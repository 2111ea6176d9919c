package build.thresher.scheduler.spack;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Event;
import build.thresher.scheduler.core.Inputs;
import build.thresher.scheduler.core.RequestHead;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.WorkKind;
import build.thresher.scheduler.spack.SubmissionRefused.Kind;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.ExecuteOptions;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.Source;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns what a client asks for into an event for the core: reads the document, decides what has to
 * be built, checks that it can be, and stores each node's text as a blob of its own.
 *
 * <p>Refuses by {@link SubmissionRefused}; nothing is accepted by this alone. Threading: any
 * thread; blocks.
 */
public final class Submissions {
  private static final Logger log = LoggerFactory.getLogger(Submissions.class);

  private final BlobStore blobs;
  private final SpackMirror mirror;
  private final Documents documents;

  public Submissions(BlobStore blobs, SpackMirror mirror, Documents documents) {
    this.blobs = blobs;
    this.mirror = mirror;
    this.documents = documents;
  }

  /**
   * @param instance as resolved
   */
  public Event.Submit prepare(
      ExecuteRequest request, String id, String instance, String client, Instant now)
      throws SubmissionRefused, IOException {
    try {
      return expand(request, id, instance, client, now);
    } catch (SpecFormatException | IllegalArgumentException | ArithmeticException e) {
      throw new SubmissionRefused(Kind.INVALID, String.valueOf(e.getMessage()));
    } catch (BlobNotFoundException e) {
      throw new SubmissionRefused(
          Kind.MISSING_BLOBS, "not in the store: " + e.digest() + "; upload it and call again");
    }
  }

  private Event.Submit expand(
      ExecuteRequest request, String id, String instance, String client, Instant now)
      throws SubmissionRefused, SpecFormatException, IOException {
    Scope scope = new Scope(instance, client);
    if (!request.hasDag() || !request.hasInputs()) {
      throw new SubmissionRefused(Kind.INVALID, "a request names its `dag` and its `inputs`");
    }
    Digest dag = Wire.digest(request.getDag());
    Inputs inputs = Wire.inputs(request.getInputs());
    Digest sources = request.hasSources() ? Wire.digest(request.getSources()) : null;
    requirePresent(scope, named(dag, inputs, sources));

    Documents.Parsed parsed = documents.document(scope, dag);
    SpecDocument document = parsed.document();
    List<DagHash> roots = roots(request, document);
    Set<DagHash> served = served(instance, scope, document);
    Expansion expansion = Expansion.of(document, parsed.closures(), roots, served::contains);
    Set<DagHash> build = expansion.build().stream().map(SpecNode::hash).collect(Collectors.toSet());
    Map<String, ImmutableList<Source>> sourcesByNode =
        sources == null ? Map.of() : documents.sources(scope, sources);
    checkSources(scope, expansion, sourcesByNode);
    storeTexts(scope, parsed.closures(), expansion);

    ExecuteOptions options = request.getOptions();
    SpackWork work =
        new SpackWork(
            inputs,
            dag,
            sources,
            Math.max(0, options.getBuildJobs()),
            Wire.duration(options.getTimeout()));
    ImmutableMap<String, String> labels = ImmutableMap.copyOf(options.getLabelsMap());
    ImmutableList.Builder<Definition> tasks = ImmutableList.builder();
    for (SpecNode node : expansion.build()) {
      tasks.add(Definitions.of(instance, parsed.closures(), node, build::contains, labels, work));
    }
    RequestHead head =
        new RequestHead(
            id,
            instance,
            client,
            WorkKind.SPACK,
            new RequestHead.Options(
                options.getFailFast(), options.getRetryFailed(), options.getPriority()),
            roots.stream().map(DagHash::text).collect(ImmutableList.toImmutableList()),
            Definitions.hashes(expansion.cached()),
            Definitions.hashes(expansion.externals()),
            now);
    return new Event.Submit(head, tasks.build(), ImmutableSet.of(), ImmutableList.of());
  }

  /** What need not be built: the mirror names it, and the store has what the mirror names. */
  private Set<DagHash> served(String instance, Scope scope, SpecDocument document)
      throws IOException {
    List<PublishedSpec> published = new ArrayList<>();
    Set<Digest> blobsOfThem = new HashSet<>();
    for (DagHash hash : document.nodes().keySet()) {
      mirror.find(instance, hash).ifPresent(published::add);
    }
    for (PublishedSpec spec : published) {
      blobsOfThem.add(spec.archive());
      blobsOfThem.add(spec.spec());
    }
    Set<Digest> missing = blobs.findMissing(scope, blobsOfThem);
    Set<DagHash> served = new HashSet<>();
    for (PublishedSpec spec : published) {
      if (missing.contains(spec.archive()) || missing.contains(spec.spec())) {
        log.warn("{} of {} has lost its archive and is built again", spec.hash(), instance);
      } else {
        served.add(spec.hash());
      }
    }
    return served;
  }

  private static List<Digest> named(Digest dag, Inputs inputs, @Nullable Digest sources) {
    List<Digest> named =
        new ArrayList<>(List.of(dag, inputs.core(), inputs.recipes(), inputs.configuration()));
    if (sources != null) {
      named.add(sources);
    }
    return named;
  }

  private void requirePresent(Scope scope, List<Digest> wanted)
      throws IOException, SubmissionRefused {
    Set<Digest> missing = blobs.findMissing(scope, new LinkedHashSet<>(wanted));
    if (!missing.isEmpty()) {
      throw new SubmissionRefused(
          Kind.MISSING_BLOBS,
          "not in the store: "
              + missing.stream().sorted().map(Digest::toString).collect(Collectors.joining(", "))
              + "; upload "
              + (missing.size() == 1 ? "it" : "them")
              + " and call again");
    }
  }

  private static List<DagHash> roots(ExecuteRequest request, SpecDocument document)
      throws SubmissionRefused {
    List<DagHash> roots = new ArrayList<>();
    for (String text : new LinkedHashSet<>(request.getRootsList())) {
      DagHash hash = new DagHash(text);
      if (!document.nodes().containsKey(hash)) {
        throw new SubmissionRefused(
            Kind.INVALID, "the root " + text + " is no node of the document");
      }
      roots.add(hash);
    }
    List<DagHash> wanted = roots.isEmpty() ? document.roots() : roots;
    if (wanted.isEmpty()) {
      throw new SubmissionRefused(Kind.INVALID, "the document has no roots; name some");
    }
    return wanted;
  }

  private void checkSources(
      Scope scope, Expansion expansion, Map<String, ImmutableList<Source>> sources)
      throws SubmissionRefused, IOException {
    List<Digest> uploaded = new ArrayList<>();
    for (SpecNode node : expansion.build()) {
      for (Source source : sources.getOrDefault(node.hash().text(), ImmutableList.of())) {
        if (!source.getUnsupported().isEmpty()) {
          throw new SubmissionRefused(
              Kind.INVALID, node.display() + " cannot be built: " + source.getUnsupported());
        }
        if (source.hasDigest()) {
          uploaded.add(Wire.digest(source.getDigest()));
        }
      }
    }
    requirePresent(scope, uploaded);
  }

  /** Executors fetch each node's text by itself: most of them share most of them. */
  private void storeTexts(Scope scope, Closures closures, Expansion expansion)
      throws IOException, SubmissionRefused {
    List<Blob> texts = new ArrayList<>();
    for (SpecNode node : closures.reachable(expansion.build())) {
      Expansion.checkHash(node);
      Expansion.checkNames(node);
      texts.add(Blob.of(node.json()));
    }
    Set<Digest> missing =
        blobs.findMissing(scope, texts.stream().map(Blob::digest).collect(Collectors.toSet()));
    List<Blob> absent = texts.stream().filter(t -> missing.contains(t.digest())).toList();
    if (!absent.isEmpty()) {
      blobs.putAll(scope, absent);
    }
  }
}
