package build.thresher.scheduler.spack;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.scheduler.core.Definition;
import build.thresher.scheduler.core.SpackRequirements;
import build.thresher.scheduler.core.SpackWork;
import build.thresher.scheduler.core.TaskKey;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSortedSet;
import java.util.List;
import java.util.function.Predicate;

/** From a node to the task that builds it. */
final class Definitions {
  private Definitions() {}

  /**
   * @param isTask which nodes are built, too: the task waits for them
   * @param labels that the client asks for
   */
  static Definition of(
      String instance,
      Closures closures,
      SpecNode node,
      Predicate<DagHash> isTask,
      ImmutableMap<String, String> labels,
      SpackWork work) {
    return new Definition(
        new TaskKey(instance, node.hash().text()),
        node.name(),
        node.version(),
        hashes(closures.nearest(node, isTask)),
        requirements(closures, node, labels),
        work);
  }

  private static SpackRequirements requirements(
      Closures closures, SpecNode node, ImmutableMap<String, String> labels) {
    ImmutableSortedSet<SpackRequirements.External> externals =
        closures.inPlace(node).stream()
            .filter(SpecNode::isExternal)
            .map(n -> new SpackRequirements.External(n.name(), n.version(), path(n)))
            .collect(
                ImmutableSortedSet.toImmutableSortedSet(SpackRequirements.External::compareTo));
    return new SpackRequirements(
        node.platform(),
        node.operatingSystem(),
        new SpackRequirements.Target(node.target(), node.targetFeatures()),
        externals,
        labels);
  }

  private static String path(SpecNode external) {
    return external.externalPath() == null ? "" : external.externalPath();
  }

  static ImmutableList<String> hashes(List<SpecNode> nodes) {
    return nodes.stream().map(node -> node.hash().text()).collect(ImmutableList.toImmutableList());
  }
}
