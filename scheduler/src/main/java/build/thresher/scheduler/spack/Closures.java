package build.thresher.scheduler.spack;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDependency;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Maps;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Walks over a document. Nodes are numbered in the document's order, dependencies first, so that a
 * closure costs a few bits a node: every lease asks for two. None recurses. Immutable.
 */
final class Closures {
  private final SpecNode[] nodes;
  private final Map<DagHash, Integer> numbers;

  /** By number: what the node names, and which of these are needed where the node is used. */
  private final int[][] dependencies;

  private final int[][] linkedOrRun;

  Closures(SpecDocument document) {
    nodes = document.nodes().values().toArray(new SpecNode[0]);
    numbers = Maps.newHashMapWithExpectedSize(nodes.length);
    for (int i = 0; i < nodes.length; i++) {
      numbers.put(nodes[i].hash(), i);
    }
    dependencies = new int[nodes.length][];
    linkedOrRun = new int[nodes.length][];
    for (int i = 0; i < nodes.length; i++) {
      ImmutableList<SpecDependency> edges = nodes[i].dependencies();
      dependencies[i] = edges.stream().mapToInt(this::number).toArray();
      linkedOrRun[i] =
          edges.stream().filter(SpecDependency::isLinkOrRun).mapToInt(this::number).toArray();
    }
  }

  private int number(SpecDependency edge) {
    return number(edge.hash());
  }

  int number(DagHash hash) {
    Integer number = numbers.get(hash);
    if (number == null) {
      throw new IllegalArgumentException("the document has no node " + hash);
    }
    return number;
  }

  /**
   * What must be in place while the node is built, dependencies first: its direct dependencies of
   * every type, with all that they need where they are used.
   */
  List<SpecNode> inPlace(SpecNode node) {
    BitSet seen = new BitSet(nodes.length);
    Stack open = new Stack();
    open.pushNew(dependencies[number(node.hash())], seen);
    while (!open.isEmpty()) {
      open.pushNew(linkedOrRun[open.pop()], seen);
    }
    return inOrder(seen);
  }

  /** The node, then everything that it leads to by any edge: numbers in the document's order. */
  int[] reachable(SpecNode node) {
    int start = number(node.hash());
    BitSet seen = new BitSet(nodes.length);
    seen.set(start);
    reach(start, seen);
    seen.clear(start);
    int[] reached = new int[seen.cardinality() + 1];
    reached[0] = start;
    int next = 1;
    for (int i = seen.nextSetBit(0); i >= 0; i = seen.nextSetBit(i + 1)) {
      reached[next++] = i;
    }
    return reached;
  }

  /** All that these nodes lead to, themselves included, dependencies first. */
  List<SpecNode> reachable(List<SpecNode> from) {
    BitSet seen = new BitSet(nodes.length);
    for (SpecNode node : from) {
      int start = number(node.hash());
      if (!seen.get(start)) {
        seen.set(start);
        reach(start, seen);
      }
    }
    return inOrder(seen);
  }

  private void reach(int start, BitSet seen) {
    Stack open = new Stack();
    open.push(start);
    while (!open.isEmpty()) {
      int next = open.pop();
      open.pushNew(dependencies[next], seen);
      nodes[next].splicedFrom().ifPresent(hash -> open.pushNew(new int[] {number(hash)}, seen));
    }
  }

  /**
   * The tasks that a node waits for: the nearest ones in what must be in place. Those behind them
   * they wait for themselves.
   */
  List<SpecNode> nearest(SpecNode node, Predicate<DagHash> isTask) {
    BitSet found = new BitSet(nodes.length);
    BitSet seen = new BitSet(nodes.length);
    Stack open = new Stack();
    open.pushNew(dependencies[number(node.hash())], seen);
    while (!open.isEmpty()) {
      int next = open.pop();
      if (isTask.test(nodes[next].hash())) {
        found.set(next);
      } else {
        open.pushNew(linkedOrRun[next], seen);
      }
    }
    return inOrder(found);
  }

  /** Dependencies first, as the document has them. */
  List<SpecNode> inOrder(Set<DagHash> hashes) {
    BitSet wanted = new BitSet(nodes.length);
    hashes.forEach(hash -> wanted.set(number(hash)));
    return inOrder(wanted);
  }

  private List<SpecNode> inOrder(BitSet wanted) {
    List<SpecNode> ordered = new ArrayList<>(wanted.cardinality());
    for (int i = wanted.nextSetBit(0); i >= 0; i = wanted.nextSetBit(i + 1)) {
      ordered.add(nodes[i]);
    }
    return ordered;
  }

  /** Numbers that are still to be looked at. */
  private static final class Stack {
    private int[] numbers = new int[64];
    private int size;

    boolean isEmpty() {
      return size == 0;
    }

    int pop() {
      return numbers[--size];
    }

    void push(int number) {
      if (size == numbers.length) {
        numbers = Arrays.copyOf(numbers, 2 * size);
      }
      numbers[size++] = number;
    }

    void pushNew(int[] candidates, BitSet seen) {
      for (int candidate : candidates) {
        if (!seen.get(candidate)) {
          seen.set(candidate);
          push(candidate);
        }
      }
    }
  }
}
