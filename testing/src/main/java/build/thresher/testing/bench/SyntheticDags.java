package build.thresher.testing.bench;

import build.thresher.testing.Dag;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** DAGs for benchmarks: nodes of about the size that Spack writes, in shapes that occur. */
public final class SyntheticDags {
  /** What Spack says of a node beyond its name, version and architecture: about 900 bytes. */
  private static final String MORE =
      ",\"namespace\":\"builtin\",\"parameters\":{\"build_system\":\"autotools\",\"optimize\":true,"
          + "\"pic\":true,\"shared\":true,\"bzip2\":true,\"curses\":true,\"git\":true,\"libunistring\""
          + ":true,\"libxml2\":true,\"tar\":true,\"xz\":true,\"threads\":[\"posix\",\"openmp\"],"
          + "\"patches\":[\"0abc23a7a8a9bd8e9b4b1b4f5a1e7a2b3d4c5f60718293a4b5c6d7e8f9010203\","
          + "\"4c5f60718293a4b5c6d7e8f90102030abc23a7a8a9bd8e9b4b1b4f5a1e7a2b3d\"],\"cflags\":[],"
          + "\"cppflags\":[],\"cxxflags\":[],\"fflags\":[],\"ldflags\":[],\"ldlibs\":[]},"
          + "\"package_hash\":\"z3oo5cukevipvpdnbi22oigaqbeousvkyc3bbflgfzo5yawhhkpa====\","
          + "\"annotations\":{\"original_specfile_version\":5}";

  private SyntheticDags() {}

  /** As many nodes as fl-suite: a compiler's runtime, and eight on top of each other. */
  public static Dag suite(String salt) {
    return chain(9, salt);
  }

  /** Each on the one before it and on the first, and all on a compiler. */
  public static Dag chain(int nodes, String salt) {
    Dag dag = new Dag(MORE).external("gcc", "12.2.0", "/usr").node(salt + "-0", "gcc:build");
    for (int i = 1; i < nodes; i++) {
      dag.node(salt + "-" + i, "gcc:build", salt + "-" + (i - 1) + ":build,link", salt + "-0:link");
    }
    return dag;
  }

  /**
   * Some 40 layers that grow narrower, each node on four of the layer below: about the shape and
   * depth of a large environment.
   */
  public static Dag layered(int nodes, String salt) {
    Dag dag = new Dag(MORE).external("gcc", "12.2.0", "/usr");
    List<String> below = new ArrayList<>();
    Set<String> unused = new LinkedHashSet<>();
    int made = 0; // the root is one more
    for (int layer = 0; made < nodes - 1; layer++) {
      int width = Math.max(10, 100 - 2 * layer);
      List<String> here = new ArrayList<>();
      for (int i = 0; i < width && made < nodes - 1; i++, made++) {
        List<String> edges = new ArrayList<>(List.of("gcc:build"));
        Set<String> chosen = new LinkedHashSet<>();
        for (int k = i; k < below.size(); k += width) {
          chosen.add(below.get(k)); // so that nothing is left over
        }
        for (int k = 1; k < 4 && !below.isEmpty(); k++) {
          chosen.add(below.get((i * 7 + k * 13) % below.size()));
        }
        chosen.forEach(b -> edges.add(b + (edges.size() == 1 ? ":link" : ":build")));
        String name = salt + "-" + layer + "-" + i;
        unused.removeAll(chosen);
        unused.add(name);
        dag.node(name, edges.toArray(new String[0]));
        here.add(name);
      }
      below = here;
    }
    String[] last = unused.stream().map(n -> n + ":link").toArray(String[]::new);
    return dag.node(salt + "-root", last);
  }

  /** Nothing waits for anything but the root: all tasks are ready at once. */
  public static Dag flat(int nodes, String salt) {
    Dag dag = new Dag(MORE);
    String[] edges = new String[nodes - 1];
    for (int i = 0; i < nodes - 1; i++) {
      dag.node(salt + "-" + i);
      edges[i] = salt + "-" + i + ":link";
    }
    return dag.node(salt + "-root", edges);
  }
}
