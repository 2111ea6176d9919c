package build.thresher.executor.core;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What this processor is and can run, in Spack's names, found by Spack's own rules: it runs what is
 * of its maker or of none and asks for nothing that it cannot do; it is the youngest of those.
 *
 * @param best its own microarchitecture
 * @param compatible all that it can run, that one included
 * @param features what it can do, sorted; empty where the kernel does not say
 */
record Targets(String best, List<String> compatible, List<String> features) {
  /** As /proc/cpuinfo numbers them. */
  private static final Map<String, String> ARM_VENDORS =
      Map.of(
          "0x41", "ARM",
          "0x43", "Cavium",
          "0x46", "Fujitsu",
          "0x4e", "Nvidia",
          "0x51", "Qualcomm",
          "0x61", "Apple",
          "0xc0", "Ampere");

  private static final Comparator<Microarchitecture> YOUNGER =
      Comparator.<Microarchitecture>comparingInt(m -> m.ancestors().size())
          .thenComparingInt(m -> m.features().size());

  Targets {
    compatible = List.copyOf(compatible);
    features = List.copyOf(features);
  }

  /**
   * @param architecture as {@code os.arch} names it
   * @param cpuInfo lines of /proc/cpuinfo
   */
  static Targets of(String architecture, List<String> cpuInfo) throws IOException {
    String family =
        switch (architecture) {
          case "amd64" -> "x86_64";
          case "arm64" -> "aarch64";
          default -> architecture;
        };
    Map<String, String> processor = firstProcessor(cpuInfo);
    Set<String> features = features(processor);
    List<Microarchitecture> able =
        Microarchitecture.all().stream()
            .filter(m -> m.family().equals(family) && runs(processor, features, m))
            .toList();
    if (able.isEmpty()) {
      return new Targets(family, List.of(family), List.copyOf(features));
    }
    Microarchitecture best = best(able, processor.getOrDefault("CPU part", ""));
    Set<String> compatible = new TreeSet<>(best.ancestors());
    able.forEach(m -> compatible.add(m.name()));
    return new Targets(best.name(), List.copyOf(compatible), List.copyOf(features));
  }

  private static Map<String, String> firstProcessor(List<String> cpuInfo) {
    Map<String, String> fields = new HashMap<>();
    for (String line : cpuInfo) {
      int colon = line.indexOf(':');
      if (colon < 0) {
        if (!fields.isEmpty()) {
          break;
        }
        continue;
      }
      fields.put(line.substring(0, colon).strip(), line.substring(colon + 1).strip());
    }
    return fields;
  }

  private static Set<String> features(Map<String, String> processor) {
    String words = processor.getOrDefault("flags", processor.getOrDefault("Features", ""));
    Set<String> features = new TreeSet<>();
    for (String word : words.split("\\s+", -1)) {
      if (!word.isEmpty()) {
        features.add(word);
      }
    }
    // The kernel has an older name for it; Spack expects it wherever its successor is.
    if (features.contains("pni") || features.contains("ssse3")) {
      features.add("sse3");
    }
    return features;
  }

  private static boolean runs(
      Map<String, String> processor, Set<String> features, Microarchitecture wanted) {
    return switch (wanted.family()) {
      case "x86_64" ->
          isOf(processor.getOrDefault("vendor_id", ""), wanted)
              && features.containsAll(wanted.features());
      case "aarch64" -> {
        String code = processor.getOrDefault("CPU implementer", "");
        // Nothing of the processor tells which of the generic levels it has.
        yield (!wanted.isGeneric() || wanted.ancestors().isEmpty())
            && isOf(ARM_VENDORS.getOrDefault(code, code), wanted)
            && features.containsAll(wanted.features());
      }
      case "ppc64", "ppc64le" -> wanted.generation() <= powerGeneration(processor);
      default -> wanted.ancestors().isEmpty();
    };
  }

  private static boolean isOf(String vendor, Microarchitecture wanted) {
    return wanted.isGeneric() || wanted.vendor().equals(vendor);
  }

  private static int powerGeneration(Map<String, String> processor) {
    String digits = processor.getOrDefault("cpu", "").replaceAll(".*POWER([0-9]+).*", "$1");
    return digits.matches("[0-9]{1,3}") ? Integer.parseInt(digits) : 0;
  }

  /**
   * A processor that lacks a rare feature of its maker's line counts as the generic level rather
   * than as something much older.
   */
  private static Microarchitecture best(List<Microarchitecture> able, String cpuPart) {
    Microarchitecture generic =
        able.stream().filter(Microarchitecture::isGeneric).max(YOUNGER).orElse(able.getFirst());
    List<Microarchitecture> candidates = new ArrayList<>(able);
    Set<String> parts = new HashSet<>();
    able.forEach(m -> parts.add(m.cpuPart()));
    if (parts.contains(cpuPart)) {
      candidates.removeIf(m -> !m.cpuPart().equals(cpuPart));
    }
    return candidates.stream()
        .filter(m -> m.ancestors().contains(generic.name()))
        .max(YOUNGER)
        .orElse(generic);
  }
}
