package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import com.google.common.collect.Iterables;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the nodes of an instance need, read once: a walk over a hundred thousand nodes must not wait
 * for the disk at each. One thread.
 */
final class Closure {
  private final String instance;
  private final MirrorDb db;
  private final Map<DagHash, NodeFacts> facts = new HashMap<>();

  private Closure(String instance, MirrorDb db) {
    this.instance = instance;
    this.db = db;
  }

  static Closure load(String instance, MirrorDb db) throws IOException {
    Closure closure = new Closure(instance, db);
    db.nodes().eachFacts(instance, closure.facts::put);
    return closure;
  }

  /** For few questions. */
  static Closure lazily(String instance, MirrorDb db) {
    return new Closure(instance, db);
  }

  /** Null for a node that no published spec has named. */
  @Nullable NodeFacts facts(DagHash hash) throws IOException {
    NodeFacts known = facts.get(hash);
    if (known == null) {
      known = db.nodes().facts(instance, hash);
      if (known != null) {
        facts.put(hash, known);
      }
    }
    return known;
  }

  /**
   * These and what they need.
   *
   * @param builtWith what they were built with too
   */
  Set<DagHash> of(Collection<DagHash> roots, boolean builtWith) throws IOException {
    Set<DagHash> seen = new HashSet<>();
    Deque<DagHash> open = new ArrayDeque<>(roots);
    while (!open.isEmpty()) {
      DagHash hash = open.pop();
      if (seen.add(hash)) {
        edges(hash, builtWith).forEach(open::push);
      }
    }
    return seen;
  }

  Iterable<DagHash> edges(DagHash hash, boolean builtWith) throws IOException {
    NodeFacts node = facts(hash);
    if (node == null) {
      return List.of();
    }
    return builtWith ? Iterables.concat(node.used(), node.builtWith()) : node.used();
  }

  /** In an order in which none comes before one that needs it. */
  List<DagHash> dependentsFirst(Collection<DagHash> hashes) throws IOException {
    Map<DagHash, Integer> dependents = new HashMap<>();
    Set<DagHash> wanted = new HashSet<>(hashes);
    for (DagHash hash : wanted) {
      dependents.putIfAbsent(hash, 0);
      for (DagHash needed : edges(hash, true)) {
        if (wanted.contains(needed)) {
          dependents.merge(needed, 1, Integer::sum);
        }
      }
    }
    Deque<DagHash> free = new ArrayDeque<>();
    dependents.forEach(
        (hash, count) -> {
          if (count == 0) {
            free.add(hash);
          }
        });
    List<DagHash> ordered = new ArrayList<>(wanted.size());
    while (!free.isEmpty()) {
      DagHash hash = free.pop();
      ordered.add(hash);
      for (DagHash needed : edges(hash, true)) {
        if (wanted.contains(needed)
            && Objects.requireNonNull(dependents.merge(needed, -1, Integer::sum)) == 0) {
          free.push(needed);
        }
      }
    }
    return ordered;
  }
}
