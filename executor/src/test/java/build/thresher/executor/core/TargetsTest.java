package build.thresher.executor.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.executor.testing.RealSpack;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Which of Spack's microarchitectures a processor is. */
final class TargetsTest {
  private static Targets x86(String vendor, Set<String> flags) throws Exception {
    List<String> info =
        List.of(
            "processor\t: 0",
            "vendor_id\t: " + vendor,
            "flags\t\t: " + String.join(" ", flags),
            "",
            "processor\t: 1",
            "vendor_id\t: other",
            "flags\t\t: none");
    return Targets.of("amd64", info);
  }

  private static Microarchitecture named(String name) throws Exception {
    return Microarchitecture.all().stream()
        .filter(m -> m.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aProcessorWithAllFeaturesOfOneIsThatOne() throws Exception {
    for (String name : List.of("haswell", "icelake", "sapphirerapids", "zen2", "zen4", "zen5")) {
      Microarchitecture own = named(name);
      assertEquals(name, x86(own.vendor(), own.features()).best());
    }
  }

  @Test
  void itRunsEverythingThatItDescendsFrom() throws Exception {
    Targets targets = x86("AuthenticAMD", named("zen4").features());
    assertTrue(
        targets
            .compatible()
            .containsAll(List.of("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4", "zen", "zen3")));
    assertFalse(targets.compatible().contains("zen5"));
    assertFalse(targets.compatible().contains("haswell"), "of another maker");
    assertTrue(targets.features().contains("sse3"), "specs name it beside ssse3");
  }

  @Test
  void aMissingRareFeatureMakesItTheGenericLevel() throws Exception {
    List<String> flags = new ArrayList<>(named("zen4").features());
    flags.remove("pku");
    assertEquals("x86_64_v4", x86("AuthenticAMD", Set.copyOf(flags)).best());
  }

  @Test
  void anUnknownMakersProcessorIsAGenericOne() throws Exception {
    assertEquals("x86_64_v3", x86("Someone", named("haswell").features()).best());
    assertEquals("x86_64", Targets.of("amd64", List.of()).best());
  }

  @Test
  void armIsToldByItsPart() throws Exception {
    List<String> info =
        List.of(
            "processor\t: 0",
            "Features\t: " + String.join(" ", named("neoverse_n2").features()),
            "CPU implementer\t: 0x41",
            "CPU part\t: 0xd49");
    Targets targets = Targets.of("aarch64", info);
    assertEquals("neoverse_n2", targets.best());
    assertTrue(targets.compatible().containsAll(List.of("aarch64", "armv8.2a", "neoverse_n1")));
  }

  @Test
  void powerIsToldByItsGeneration() throws Exception {
    Targets targets = Targets.of("ppc64le", List.of("cpu\t\t: POWER9, altivec supported"));
    assertEquals("power9le", targets.best());
    assertEquals(List.of("power8le", "power9le", "ppc64le"), targets.compatible());
  }

  @Test
  void realSpackAgreesOnThisMachine() throws Exception {
    Path library = RealSpack.orSkip().core().resolve("lib/spack");
    assumeTrue(Files.isDirectory(library.resolve("spack/vendor/archspec")), "no archspec there");
    String program =
        "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
            + " import spack.vendor.archspec.cpu as c; print(c.host().name)";
    String host = HostCommand.output(List.of("python3", "-c", program, library.toString())).strip();
    Targets targets =
        Targets.of(System.getProperty("os.arch"), Files.readAllLines(Path.of("/proc/cpuinfo")));
    assertEquals(host, targets.best());
  }
}
