package build.thresher.cas.oci;

import build.thresher.cas.api.spack.SpecNode;
import java.util.Set;

/**
 * What an image calls the processors that a spec is for. Spack's targets are microarchitectures; a
 * node says their features, but not their family, so that is read from both.
 */
final class Architectures {
  private static final Set<String> X86 = Set.of("mmx", "sse", "sse2", "sse3");
  private static final Set<String> ARM = Set.of("asimd", "fp");

  private Architectures() {}

  static String of(SpecNode node) {
    String target = node.target();
    if (target.startsWith("ppc64le") || target.matches("power\\d+le")) {
      return "ppc64le";
    }
    if (target.startsWith("riscv64") || target.equals("u74mc")) {
      return "riscv64";
    }
    if (target.startsWith("x86_64") || node.targetFeatures().stream().anyMatch(X86::contains)) {
      return "amd64";
    }
    if (target.startsWith("aarch64")
        || target.startsWith("arm")
        || node.targetFeatures().stream().anyMatch(ARM::contains)) {
      return "arm64";
    }
    return target;
  }
}
