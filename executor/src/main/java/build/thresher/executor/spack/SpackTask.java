package build.thresher.executor.spack;

import build.thresher.cas.api.Digest;
import build.thresher.executor.inputs.BuiltPrefix;
import build.thresher.executor.inputs.Names;
import build.thresher.executor.inputs.SourceFile;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * One node to build, as the scheduler leased it. Everything that becomes a path is checked here.
 *
 * @param instance trust domain
 * @param hash DAG hash of the node
 * @param name of the package, for people
 * @param version of the package, for people
 * @param specVersion format version of the documents that the nodes came from
 * @param core root of the Spack tree
 * @param recipes root of the tree with one directory for each repo
 * @param configuration root of the client's configuration
 * @param sources what Spack fetches for this node
 * @param prefixes dependencies to put in place, dependencies first
 * @param register DAG hashes to register, dependencies first, externals included
 * @param prefix where the node belongs
 * @param installTreeRoot un-padded root of the install tree
 * @param paddedLength of the install tree's root
 * @param buildJobs parallel jobs; 0 for the executor's own default
 * @param timeout wall time; empty for the executor's own limit
 * @param memoryLimitBytes 0 for the executor's own limit
 * @param nodes texts of the node itself and of all that it reaches
 */
public record SpackTask(
    String instance,
    String hash,
    String name,
    String version,
    int specVersion,
    Digest core,
    Digest recipes,
    Digest configuration,
    List<SourceFile> sources,
    List<BuiltPrefix> prefixes,
    List<String> register,
    String prefix,
    String installTreeRoot,
    int paddedLength,
    int buildJobs,
    Optional<Duration> timeout,
    long memoryLimitBytes,
    List<Digest> nodes) {
  public SpackTask {
    Names.dagHash(hash);
    sources = List.copyOf(sources);
    prefixes = List.copyOf(prefixes);
    register = List.copyOf(register);
    nodes = List.copyOf(nodes);
    register.forEach(Names::dagHash);
    Names.absolutePath(installTreeRoot);
    requireBelow(installTreeRoot, prefix);
    for (BuiltPrefix dependency : prefixes) {
      requireBelow(installTreeRoot, dependency.path());
    }
  }

  /** Every blob that it names directly; trees stand for what they hold. */
  Set<Digest> blobs() {
    Set<Digest> blobs = new LinkedHashSet<>(nodes);
    blobs.addAll(List.of(core, recipes, configuration));
    prefixes.forEach(prefix -> blobs.add(prefix.archive()));
    // What has addresses can be fetched again.
    sources.stream()
        .filter(source -> source.urls().isEmpty())
        .forEach(source -> source.digest().ifPresent(blobs::add));
    return blobs;
  }

  private static void requireBelow(String root, String path) {
    Names.absolutePath(path);
    if (!path.startsWith(root + "/")) {
      throw new IllegalArgumentException("the prefix " + path + " is not below " + root);
    }
  }
}
