package build.thresher.scheduler.spack;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Walks over a document. None recurses. */
final class Closures {
  private Closures() {}

  /**
   * What must be in place while the node is built, dependencies first: its direct dependencies of
   * every type, with all that they need where they are used.
   */
  static List<SpecNode> inPlace(SpecDocument document, SpecNode node) {
    Set<DagHash> seen = new HashSet<>();
    for (SpecDependency d : node.dependencies()) {
      seen.add(d.hash());
    }
    Deque<DagHash> open = new ArrayDeque<>(seen);
    while (!open.isEmpty()) {
      for (SpecDependency d : document.node(open.remove()).dependencies()) {
        if (d.isLinkOrRun() && seen.add(d.hash())) {
          open.add(d.hash());
        }
      }
    }
    return inDocumentOrder(document, seen);
  }

  /** The node, then everything that it leads to by any edge. */
  static List<SpecNode> reachable(SpecDocument document, SpecNode node) {
    Set<DagHash> seen = new LinkedHashSet<>(List.of(node.hash()));
    Deque<DagHash> open = new ArrayDeque<>(seen);
    while (!open.isEmpty()) {
      SpecNode next = document.node(open.remove());
      for (SpecDependency d : next.dependencies()) {
        if (seen.add(d.hash())) {
          open.add(d.hash());
        }
      }
      next.splicedFrom().filter(seen::add).ifPresent(open::add);
    }
    return seen.stream().map(document::node).toList();
  }

  /**
   * The tasks that a node waits for: the nearest ones in what must be in place. Those behind them
   * they wait for themselves.
   */
  static Set<DagHash> nearest(SpecDocument document, SpecNode node, Predicate<DagHash> isTask) {
    Set<DagHash> found = new LinkedHashSet<>();
    Set<DagHash> seen = new HashSet<>();
    Deque<DagHash> open = new ArrayDeque<>();
    for (SpecDependency d : node.dependencies()) {
      if (seen.add(d.hash())) {
        open.add(d.hash());
      }
    }
    while (!open.isEmpty()) {
      DagHash hash = open.remove();
      if (isTask.test(hash)) {
        found.add(hash);
        continue;
      }
      for (SpecDependency d : document.node(hash).dependencies()) {
        if (d.isLinkOrRun() && seen.add(d.hash())) {
          open.add(d.hash());
        }
      }
    }
    return found;
  }

  /** Dependencies first, as the document has them. */
  static List<SpecNode> inDocumentOrder(SpecDocument document, Set<DagHash> hashes) {
    List<SpecNode> ordered = new ArrayList<>(hashes.size());
    for (SpecNode node : document.nodes().values()) {
      if (hashes.contains(node.hash())) {
        ordered.add(node);
      }
    }
    return ordered;
  }
}
