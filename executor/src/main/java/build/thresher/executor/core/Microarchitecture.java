package build.thresher.executor.core;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One of Spack's microarchitectures.
 *
 * @param family the generic one that it descends from
 * @param vendor who makes it; "generic" for a level that several makers have
 * @param generation of POWER processors; 0 for others
 * @param cpuPart of ARM processors; "-" for others
 * @param ancestors all that it descends from
 * @param features what it can do, as the kernel names it, ancestors' included
 */
record Microarchitecture(
    String name,
    String family,
    String vendor,
    int generation,
    String cpuPart,
    Set<String> ancestors,
    Set<String> features) {
  private static final String TABLE = "microarchitectures.txt";
  private static final int COLUMNS = 6;

  Microarchitecture {
    ancestors = Set.copyOf(ancestors);
    features = Set.copyOf(features);
  }

  boolean isGeneric() {
    return vendor.equals("generic");
  }

  /** All that Spack has a name for, ancestors first. */
  static List<Microarchitecture> all() throws IOException {
    String table;
    try (InputStream in = Microarchitecture.class.getResourceAsStream(TABLE)) {
      if (in == null) {
        throw new IOException(TABLE + " is missing in this build of the executor");
      }
      table = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    Map<String, Microarchitecture> known = new LinkedHashMap<>();
    table
        .lines()
        .filter(line -> !line.startsWith("#"))
        .map(line -> parse(line, known))
        .forEach(one -> known.put(one.name(), one));
    return List.copyOf(known.values());
  }

  private static Microarchitecture parse(String line, Map<String, Microarchitecture> known) {
    String[] columns = line.split(" ", -1);
    if (columns.length != COLUMNS) {
      throw new IllegalStateException(TABLE + " has a malformed line: " + line);
    }
    List<String> ancestors = new ArrayList<>();
    String family = columns[0];
    for (String parent : list(columns[4])) {
      Microarchitecture above = known.get(parent);
      if (above == null) {
        throw new IllegalStateException(TABLE + " names " + parent + " before it says what it is");
      }
      family = above.family();
      ancestors.add(parent);
      ancestors.addAll(above.ancestors());
    }
    return new Microarchitecture(
        columns[0],
        family,
        columns[1],
        Integer.parseInt(columns[2]),
        columns[3],
        Set.copyOf(ancestors),
        Set.copyOf(list(columns[5])));
  }

  private static List<String> list(String column) {
    return column.equals("-") ? List.of() : List.of(column.split(",", -1));
  }
}
