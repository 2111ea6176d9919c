package build.thresher.client;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * What an environment needs, by its {@code spack.lock} (or a concrete spec, as {@code spack spec
 * --json} writes it).
 *
 * @param needed roots, also those of included environments, and what they need to run; no externals
 * @param builtWith the others
 */
record LockFile(Path file, Set<String> needed, Set<String> builtWith) {

  /**
   * @param where a file, or the directory of an environment
   */
  static LockFile read(Path where) throws IOException, ClientException {
    Path file = Files.isDirectory(where) ? where.resolve("spack.lock") : where;
    if (!Files.isRegularFile(file)) {
      throw new ClientException(
          ClientException.USAGE, "there is no lock file " + Text.clean(file.toString()));
    }
    try {
      return of(file.toAbsolutePath().normalize(), SpecDocument.parse(Files.readAllBytes(file)));
    } catch (SpecFormatException e) {
      throw new ClientException(
          ClientException.USAGE, Text.clean(file + " is no lock file: " + e.getMessage()));
    }
  }

  private static LockFile of(Path file, SpecDocument document) {
    Set<DagHash> roots = new LinkedHashSet<>(document.nodes().keySet());
    for (SpecNode node : document.nodes().values()) {
      node.dependencies().stream().map(SpecDependency::hash).forEach(roots::remove);
    }
    roots.addAll(document.roots());
    Set<String> needed = new LinkedHashSet<>();
    Deque<DagHash> open = new ArrayDeque<>(roots);
    while (!open.isEmpty()) {
      SpecNode node = document.node(open.pop());
      if (!node.isExternal() && needed.add(node.hash().text())) {
        node.dependencies().stream()
            .filter(SpecDependency::isLinkOrRun)
            .map(SpecDependency::hash)
            .forEach(open::push);
      }
    }
    Set<String> others = new LinkedHashSet<>();
    for (SpecNode node : document.nodes().values()) {
      if (!node.isExternal() && !needed.contains(node.hash().text())) {
        others.add(node.hash().text());
      }
    }
    return new LockFile(file, needed, others);
  }

  /** The name of the environment: its directory's. */
  String environment() {
    Path directory = file.getParent();
    Path name = directory == null ? null : directory.getFileName();
    return name == null ? file.toString() : name.toString();
  }
}
