package build.thresher.scheduler.spack;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.Effect;
import build.thresher.scheduler.core.Environment;
import build.thresher.scheduler.core.Execution;
import build.thresher.scheduler.core.Inputs;
import build.thresher.scheduler.core.SpackOutputs;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.Prefix;
import build.thresher.v1.SpackBuild;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * From a lease to what the executor is told, and from what it built to what is published. Both need
 * the document, which the core does not know. Any thread; blocks.
 */
public final class Builds {
  private final SpackMirror mirror;
  private final Documents documents;
  private final InstallTree tree;
  private final Duration defaultTimeout;

  public Builds(
      SpackMirror mirror, Documents documents, InstallTree tree, Duration defaultTimeout) {
    this.mirror = mirror;
    this.documents = documents;
    this.tree = tree;
    this.defaultTimeout = defaultTimeout;
  }

  /**
   * What an executor needs to build the node.
   *
   * @throws LostResultException when a dependency is in the mirror no more
   * @throws IOException when the document cannot be read
   */
  public SpackBuild compose(Effect.Grant grant, SpackWork work) throws IOException {
    Definition definition = grant.definition();
    String instance = definition.key().instance();
    Documents.Parsed parsed = document(definition);
    SpecDocument document = parsed.document();
    SpecNode node = node(document, definition);
    Duration timeout = work.timeout().isPositive() ? work.timeout() : defaultTimeout;
    SpackBuild.Builder build =
        SpackBuild.newBuilder()
            .setHash(node.hash().text())
            .setName(node.name())
            .setVersion(node.version())
            .setSpecVersion(document.version())
            .setInputs(Wire.inputs(work.inputs()))
            .setInstallRoot(tree.paddedRoot())
            .setPrefix(tree.prefix(node))
            .setInstallTreeRoot(tree.root())
            .setPaddedLength(tree.paddedLength())
            .setBuildJobs(work.buildJobs())
            .setTimeout(Wire.duration(timeout))
            .setMemoryLimitBytes(grant.memoryLimitBytes());
    if (work.sources() != null) {
      build.addAllSources(sources(definition, work.sources()));
    }
    List<SpecNode> lost = new ArrayList<>();
    for (SpecNode needed : parsed.closures().inPlace(node)) {
      build.addRegister(needed.hash().text());
      if (!needed.isExternal()) {
        mirror
            .find(instance, needed.hash())
            .ifPresentOrElse(p -> build.addPrefixes(prefix(p)), () -> lost.add(needed));
      }
    }
    if (!lost.isEmpty()) {
      throw new LostResultException(
          lost.stream().map(SpecNode::hash).collect(ImmutableList.toImmutableList()),
          lost.stream().map(SpecNode::display).collect(Collectors.joining(", ")));
    }
    return build.setNodeTexts(parsed.packedTexts(parsed.closures().reachable(node))).build();
  }

  private static Prefix prefix(PublishedSpec published) {
    return Prefix.newBuilder()
        .setHash(published.hash().text())
        .setPath(published.prefix())
        .setArchive(Wire.digest(published.archive()))
        .build();
  }

  /** What a build hands in, as the mirror wants it. */
  public BuiltSpec built(Effect.Publish publish, SpackOutputs outputs) throws IOException {
    Definition definition = publish.definition();
    Inputs inputs = work(definition).inputs();
    SpecNode node = node(document(definition).document(), definition);
    return new BuiltSpec(
        node,
        outputs.archive(),
        outputs.archiveMediaType(),
        outputs.spec(),
        outputs.specMediaType(),
        tree.paddedRoot(),
        tree.prefix(node),
        provenance(inputs, publish.execution()));
  }

  private static ImmutableMap<String, String> provenance(Inputs inputs, Execution execution) {
    Environment where = execution.environment();
    ImmutableMap.Builder<String, String> facts = ImmutableMap.builder();
    facts.put("core", inputs.core().toString());
    facts.put("recipes", inputs.recipes().toString());
    facts.put("configuration", inputs.configuration().toString());
    facts.put("executor", execution.executor().name());
    facts.put("execution", execution.fence().execution());
    facts.put("submitter", execution.client());
    facts.put("sandbox", where.sandbox());
    facts.put("operating_system", where.operatingSystem());
    facts.put("target", where.target());
    where.fingerprints().forEach((external, is) -> facts.put("external " + external, is));
    return facts.buildOrThrow();
  }

  private Documents.Parsed document(Definition definition) throws IOException {
    try {
      return documents.document(Scope.farm(definition.key().instance()), work(definition).dag());
    } catch (SpecFormatException e) {
      throw new IOException("the document of " + definition.key() + " no longer parses", e);
    }
  }

  private ImmutableList<build.thresher.v1.Source> sources(Definition definition, Digest sources)
      throws IOException {
    try {
      return documents
          .sources(Scope.farm(definition.key().instance()), sources)
          .getOrDefault(definition.key().hash(), ImmutableList.of());
    } catch (SpecFormatException e) {
      throw new IOException("the sources of " + definition.key() + " no longer parse", e);
    }
  }

  private static SpackWork work(Definition definition) {
    if (definition.work() instanceof SpackWork work) {
      return work;
    }
    throw new IllegalArgumentException(definition.key() + " is no Spack node");
  }

  private static SpecNode node(SpecDocument document, Definition definition) {
    return document.node(new DagHash(definition.key().hash()));
  }
}
