package build.thresher.executor.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What this processor is and can run, in Spack's names of microarchitectures. A target can be run
 * when the processor has every feature that the target stands for.
 *
 * @param best the highest level
 * @param compatible every level, the lowest first
 */
record Targets(String best, List<String> compatible) {
  private static final Map<String, Set<String>> X86_64_LEVELS = new LinkedHashMap<>();

  static {
    X86_64_LEVELS.put("x86_64", Set.of());
    X86_64_LEVELS.put(
        "x86_64_v2", Set.of("cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"));
    X86_64_LEVELS.put(
        "x86_64_v3", Set.of("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"));
    X86_64_LEVELS.put(
        "x86_64_v4", Set.of("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"));
  }

  Targets {
    compatible = List.copyOf(compatible);
  }

  /**
   * @param architecture as {@code os.arch} names it
   * @param cpuInfo lines of /proc/cpuinfo
   */
  static Targets of(String architecture, List<String> cpuInfo) {
    if (!architecture.equals("amd64") && !architecture.equals("x86_64")) {
      String name = architecture.equals("arm64") ? "aarch64" : architecture;
      return new Targets(name, List.of(name));
    }
    Set<String> flags =
        cpuInfo.stream()
            .filter(line -> line.startsWith("flags"))
            .findFirst()
            .map(line -> Set.of(line.substring(line.indexOf(':') + 1).strip().split("\\s+", -1)))
            .orElse(Set.of());
    List<String> levels = new ArrayList<>();
    for (Map.Entry<String, Set<String>> level : X86_64_LEVELS.entrySet()) {
      if (!flags.containsAll(level.getValue())) {
        break;
      }
      levels.add(level.getKey());
    }
    return new Targets(levels.getLast(), levels);
  }
}
