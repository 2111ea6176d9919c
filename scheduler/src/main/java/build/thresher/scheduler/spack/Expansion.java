package build.thresher.scheduler.spack;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.scheduler.spack.SubmissionRefused.Kind;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * What of a document has to be built, and what costs nothing.
 *
 * <p>A node is needed when it is a root, when a node that is built depends on it, or when a needed
 * node that is not built links or runs with it. So the build dependencies of what is published
 * already are left alone.
 *
 * @param build dependencies first
 * @param cached published already
 * @param externals on the executors' hosts
 */
record Expansion(List<SpecNode> build, List<SpecNode> cached, List<SpecNode> externals) {
  private static final int MAX_NAME = 200;

  static Expansion of(
      SpecDocument document, Closures closures, List<DagHash> roots, Predicate<DagHash> published)
      throws SubmissionRefused {
    Set<DagHash> needed = new HashSet<>(roots);
    Set<DagHash> build = new HashSet<>();
    Set<DagHash> cached = new HashSet<>();
    Set<DagHash> externals = new HashSet<>();
    Deque<DagHash> open = new ArrayDeque<>(needed);
    while (!open.isEmpty()) {
      SpecNode node = document.node(open.remove());
      boolean built = false;
      if (node.isExternal()) {
        externals.add(node.hash());
      } else if (published.test(node.hash())) {
        cached.add(node.hash());
      } else {
        checkBuildable(node);
        build.add(node.hash());
        built = true;
      }
      for (SpecDependency d : node.dependencies()) {
        if ((built || d.isLinkOrRun()) && needed.add(d.hash())) {
          open.add(d.hash());
        }
      }
    }
    return new Expansion(
        closures.inOrder(build), closures.inOrder(cached), closures.inOrder(externals));
  }

  private static void checkBuildable(SpecNode node) throws SubmissionRefused {
    if (node.splicedFrom().isPresent()) {
      throw new SubmissionRefused(
          Kind.INVALID, node.display() + " is spliced: spliced specs are not built yet");
    }
    checkHash(node);
  }

  /** Paths are made of these, and lines of logs. */
  static void checkNames(SpecNode node) throws SubmissionRefused {
    List<String> parts =
        List.of(
            node.name(), node.version(), node.platform(), node.operatingSystem(), node.target());
    for (String part : parts) {
      boolean harmful =
          part.equals("..")
              || part.length() > MAX_NAME
              || part.chars().anyMatch(c -> c <= ' ' || c == '/' || c == '\\' || c == 0x7f);
      if (harmful || (part.isEmpty() && !node.isExternal())) {
        throw new SubmissionRefused(
            Kind.INVALID,
            "node "
                + node.hash()
                + " has a name, version, platform, operating system or target that is empty, too"
                + " long, or holds a slash, a space or a control character");
      }
    }
  }

  /** The hash of a node is that of its text, or somebody changed the one or the other. */
  static void checkHash(SpecNode node) throws SubmissionRefused {
    boolean says = node.isExternal() || node.splicedFrom().isPresent();
    if (!says && !node.contentHash().equals(node.hash())) {
      throw new SubmissionRefused(
          Kind.INVALID,
          node.display()
              + ": its content gives the hash "
              + node.contentHash()
              + ", not "
              + node.hash()
              + "; send the document exactly as Spack wrote it");
    }
  }
}
