package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What a person does with a mirror that can be pushed to, whatever protocol it speaks: pushes,
 * pushes again, updates the index, lists, and installs into another store.
 */
final class PushedAround {
  private final SpackWorld world;
  private final Path directory;
  private final Map<String, String> environment = new HashMap<>();

  /**
   * @param environment of Spack, besides FARM_TOKEN
   */
  PushedAround(
      FarmUnderTest farm, SpackWorld world, Path directory, Map<String, String> environment)
      throws Exception {
    this.world = world;
    this.directory = directory;
    this.environment.putAll(environment);
    this.environment.put("FARM_TOKEN", Files.readString(farm.tokenFile()).strip());
  }

  private Processes.Ended spack(Path store, String... arguments) throws Exception {
    List<String> all = new ArrayList<>();
    all.addAll(List.of("-c", "config:install_tree:root:" + store));
    all.addAll(List.of("-c", "config:source_cache:" + directory.resolve("source-cache")));
    all.addAll(List.of(arguments));
    return world.spack(environment, all.toArray(String[]::new));
  }

  private static String[] with(List<String> command, String... more) {
    return Stream.concat(command.stream(), Stream.of(more)).toArray(String[]::new);
  }

  /**
   * Fails where any step does.
   *
   * @param mirror how the mirror is named to {@code spack mirror add}, its address last
   * @param signed where the same specs are read over HTTP
   */
  void goes(List<String> mirror, String signed) throws Exception {
    Path here = directory.resolve("here");
    Path there = directory.resolve("there");
    List<String> add = List.of("mirror", "add", "--type", "binary", "--unsigned");
    spack(here, with(add, mirror.toArray(String[]::new))).succeeded();
    spack(here, "install", "--fake", "fl-left").succeeded();
    List<String> push = List.of("buildcache", "push", "--without-build-dependencies");
    spack(here, with(push, "--update-index", "farm", "fl-left")).succeeded();
    Processes.Ended again = spack(here, with(push, "farm", "fl-left"));
    assertTrue(again.succeeded().output().contains("already in the buildcache"), again.output());
    spack(here, "buildcache", "update-index", "farm").succeeded();
    Processes.Ended listed = spack(there, "buildcache", "list", "--allarch");
    assertTrue(listed.succeeded().output().contains("fl-left@1.0"), listed.output());
    spack(there, "install", "--cache-only", "--no-check-signature", "fl-left").succeeded();
    Processes.Ended found = spack(there, "find", "fl-left");
    assertTrue(found.succeeded().output().contains("fl-left@1.0"), found.output());
    Path overHttp = Files.createDirectories(directory.resolve("signed"));
    Files.writeString(overHttp.resolve("mirrors.yaml"), "mirrors::\n  signed: " + signed + "\n");
    Processes.Ended mirrored =
        spack(there, "-C", overHttp.toString(), "buildcache", "list", "--allarch");
    assertTrue(mirrored.succeeded().output().contains("fl-left@1.0"), mirrored.output());
  }
}
