package build.thresher.cas.api.spack;

import com.fasterxml.jackson.core.JsonToken;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads a document, in either of its forms, and puts its nodes in order. */
final class DocumentReader {
  private final JsonTokens tokens;
  private final NodeReader nodes;
  private final Map<DagHash, SpecNode> found = new LinkedHashMap<>();
  private final Set<DagHash> roots = new LinkedHashSet<>();
  private int version;

  DocumentReader(JsonTokens tokens) {
    this.tokens = tokens;
    this.nodes = new NodeReader(tokens);
  }

  SpecDocument read() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "the document");
    boolean known = false;
    while (tokens.nextField()) {
      switch (tokens.field()) {
        case "spec" -> {
          known = true;
          specBody();
        }
        case "concrete_specs" -> {
          known = true;
          concreteSpecs();
        }
        case "roots" -> lockRoots();
        case "include_concrete" -> includeConcrete();
        case "_meta" -> lockMeta();
        default -> tokens.skipValue();
      }
    }
    if (tokens.next() != null) {
      throw new SpecFormatException("something follows the end of the document");
    }
    if (!known) {
      throw new SpecFormatException(
          "neither `spec` (of `spack spec --json`) nor `concrete_specs` (of a spack.lock) is there");
    }
    return new SpecDocument(
        ImmutableMap.copyOf(dependenciesFirst()), ImmutableList.copyOf(roots), version);
  }

  private void specBody() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`spec`");
    while (tokens.nextField()) {
      switch (tokens.field()) {
        case "_meta" -> specMeta();
        case "nodes" -> {
          tokens.expect(tokens.next(), JsonToken.START_ARRAY, "`nodes`");
          while (tokens.next() != JsonToken.END_ARRAY) {
            DagHash hash = add(nodes.read(null));
            if (roots.isEmpty()) {
              roots.add(hash);
            }
          }
        }
        default -> tokens.skipValue();
      }
    }
  }

  private void specMeta() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`_meta`");
    while (tokens.nextField()) {
      if (tokens.field().equals("version")) {
        version = tokens.integer();
      } else {
        tokens.skipValue();
      }
    }
  }

  private void lockMeta() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`_meta`");
    while (tokens.nextField()) {
      if (tokens.field().equals("specfile-version")) {
        version = tokens.integer();
      } else {
        tokens.skipValue();
      }
    }
  }

  private void lockRoots() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_ARRAY, "`roots`");
    while (tokens.next() != JsonToken.END_ARRAY) {
      tokens.expect(tokens.current(), JsonToken.START_OBJECT, "an entry of `roots`");
      while (tokens.nextField()) {
        if (tokens.field().equals("hash")) {
          roots.add(JsonTokens.hash(tokens.string()));
        } else {
          tokens.skipValue();
        }
      }
    }
  }

  private void concreteSpecs() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`concrete_specs`");
    while (tokens.nextField()) {
      DagHash key = JsonTokens.hash(tokens.field());
      tokens.next();
      add(nodes.read(key));
    }
  }

  /** Environments that the lock file includes; their nodes count, their roots do not. */
  private void includeConcrete() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`include_concrete`");
    while (tokens.nextField()) {
      tokens.expect(tokens.next(), JsonToken.START_OBJECT, "an included environment");
      while (tokens.nextField()) {
        switch (tokens.field()) {
          case "concrete_specs" -> concreteSpecs();
          case "include_concrete" -> includeConcrete();
          default -> tokens.skipValue();
        }
      }
    }
  }

  private DagHash add(SpecNode node) throws SpecFormatException {
    SpecNode before = found.putIfAbsent(node.hash(), node);
    if (before != null && !Arrays.equals(before.json(), node.json())) {
      throw new SpecFormatException(
          "two different nodes have the hash " + node.hash() + " (" + node.name() + ")");
    }
    if (found.size() > SpecDocument.MAX_NODES) {
      throw new SpecFormatException("more than " + SpecDocument.MAX_NODES + " nodes");
    }
    return node.hash();
  }

  /** Depth first without recursion: a chain of 50,000 nodes must not end in a stack overflow. */
  private Map<DagHash, SpecNode> dependenciesFirst() throws SpecFormatException {
    Map<DagHash, SpecNode> ordered = new LinkedHashMap<>();
    Set<DagHash> open = new LinkedHashSet<>();
    for (DagHash start : found.keySet()) {
      List<DagHash> stack = new ArrayList<>(List.of(start));
      while (!stack.isEmpty()) {
        DagHash top = stack.getLast();
        SpecNode node = existing(top, open);
        if (ordered.containsKey(top)) {
          stack.removeLast();
          continue;
        }
        if (!open.add(top)) {
          ordered.put(top, node);
          open.remove(top);
          stack.removeLast();
          continue;
        }
        for (DagHash next : successors(node)) {
          if (open.contains(next)) {
            throw new SpecFormatException(
                "the dependencies of " + node.display() + " form a cycle through " + next);
          }
          stack.add(next);
        }
      }
    }
    for (DagHash root : roots) {
      existing(root, Set.of());
    }
    return ordered;
  }

  private SpecNode existing(DagHash hash, Set<DagHash> open) throws SpecFormatException {
    SpecNode node = found.get(hash);
    if (node == null) {
      String by = open.isEmpty() ? "a root" : "a dependency";
      throw new SpecFormatException(by + " has the hash " + hash + ", which no node has");
    }
    return node;
  }

  private List<DagHash> successors(SpecNode node) {
    List<DagHash> next = new ArrayList<>();
    for (SpecDependency d : node.dependencies()) {
      next.add(d.hash());
    }
    node.splicedFrom().ifPresent(next::add);
    return next;
  }
}
