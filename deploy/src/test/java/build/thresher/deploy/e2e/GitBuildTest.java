package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.thresher.testing.GitServer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A package whose version and resource are commits, built without network. */
@Tag("long")
@Timeout(600)
class GitBuildTest {
  private static final String RECIPE =
      """
      from spack_repo.builtin.build_systems.makefile import MakefilePackage

      from spack.package import *


      class FlGit(MakefilePackage):
          \"""From a repository.\"""

          homepage = "https://thresher.invalid/fl-git"
          git = "%s"

          version("1.0", commit="%s", submodules=True)
          version("2.0", branch="main")

          resource(name="extra", git="%s", commit="%s", placement="extra-res")

          depends_on("c", type="build")

          def install(self, spec, prefix):
              make("install", f"PREFIX={prefix}")
      """;

  private static String recipe(GitServer server) throws Exception {
    Files.writeString(server.repository("sub").resolve("sub.c"), "int sub(void) { return 7; }\n");
    server.commitAll("sub");
    Files.writeString(server.repository("extra").resolve("extra.txt"), "extra\n");
    String extra = server.commitAll("extra");
    Path main = server.repository("main");
    Files.writeString(
        main.resolve("main.c"),
        "#include <stdio.h>\n"
            + "int sub(void);\n"
            + "int main(void) { return !printf(\"%d\\n"
            + "\", sub()); }\n");
    Files.writeString(
        main.resolve("Makefile"),
        "all:\ninstall:\n\tcc -o fl-git main.c sub/sub.c\n\tmkdir -p $(PREFIX)/bin\n"
            + "\tcp fl-git extra-res/extra.txt $(PREFIX)/bin/\n");
    server.git("main", "submodule", "--quiet", "add", "../sub", "sub");
    server.git("main", "config", "-f", ".gitmodules", "submodule.sub.url", "../../sub/.git");
    String commit = server.commitAll("main");
    return RECIPE.formatted(server.url("main/.git"), commit, server.url("extra/.git"), extra);
  }

  @Test
  void aCommitWithSubmodulesAndAResourceOfAnotherIsBuilt(@TempDir Path dir) throws Exception {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/git")), "SKIPPED: there is no git");
    SpackWorld world = SpackWorld.make(dir.resolve("world"));
    world.keepCompilerWrapper();
    try (GitServer server = new GitServer(dir.resolve("repositories"));
        FarmUnderTest farm =
            FarmUnderTest.start(
                dir.resolve("farm"),
                "sources.allow_private_addresses=true",
                "sources.mirrors=[" + world.sources() + "]")) {
      Path recipe = world.directory().resolve("repos/spack_repo/fl/packages/fl_git/package.py");
      Files.createDirectories(recipe.getParent());
      Files.writeString(recipe, recipe(server));
      Processes.Ended install = world.farm(farm, "install", "-y", "fl-git@1.0");
      assertEquals(0, install.exit(), () -> install.output());
      String prefix = world.spack("location", "-i", "fl-git").succeeded().output().strip();
      assertTrue(Files.exists(Path.of(prefix.lines().toList().getLast(), "bin", "extra.txt")));
      Processes.Ended listed = farm.thresher("sources", "list");
      assertTrue(listed.output().contains("fl-git/fl-git-1.0.tar.gz"), listed.output());
    }
  }
}
