package build.thresher.executor.spack;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/**
 * Writes the configuration of one build as two of Spack's scopes: the client's sections, as far as
 * a client may set them, and the farm's above them. Spack merges them. Stateless.
 */
final class SpackConfiguration {
  private static final Set<String> CLIENT_SECTIONS =
      Set.of("packages.yaml", "compilers.yaml", "toolchains.yaml", "env_vars.yaml", "config.yaml");
  private static final long MAX_SECTION_BYTES = 4 << 20;

  private SpackConfiguration() {}

  /**
   * Copies the client's sections.
   *
   * @throws RefusedInputException when a section is none that a client may set
   */
  static void writeClient(Path tree, Path scope) throws IOException {
    Files.createDirectories(scope);
    List<Path> files;
    try (Stream<Path> children = Files.list(tree)) {
      files = children.sorted().toList();
    }
    for (Path file : files) {
      String name = String.valueOf(file.getFileName());
      if (!CLIENT_SECTIONS.contains(name)
          || !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
          || Files.size(file) > MAX_SECTION_BYTES) {
        throw new RefusedInputException(
            "the client's configuration holds \"" + name + "\", which the farm does not take");
      }
      byte[] text = Files.readAllBytes(file);
      if (name.equals("config.yaml")) {
        requireSharedLinkingOnly(text);
      }
      Files.write(scope.resolve(name), text);
    }
  }

  private static void requireSharedLinkingOnly(byte[] text) throws IOException {
    Object root;
    try {
      LoaderOptions options = new LoaderOptions();
      options.setNestingDepthLimit(10);
      root = new Yaml(new SafeConstructor(options)).load(new String(text, StandardCharsets.UTF_8));
    } catch (YAMLException e) {
      throw new RefusedInputException("the client's config.yaml is malformed: " + e.getMessage());
    }
    boolean fits =
        root == null
            || (root instanceof Map<?, ?> top
                && Set.of("config").containsAll(top.keySet())
                && (top.get("config") == null
                    || (top.get("config") instanceof Map<?, ?> config
                        && Set.of("shared_linking").containsAll(config.keySet()))));
    if (!fits) {
      throw new RefusedInputException(
          "of the client's config.yaml the farm takes config:shared_linking only");
    }
  }

  /** Writes the farm's sections for this task. */
  static void writeFarm(Path recipes, Path scope, SpackTask task, int jobs) throws IOException {
    Files.createDirectories(scope);
    StringBuilder repos = new StringBuilder("repos::\n");
    for (Repo repo : repos(recipes)) {
      repos.append("  ").append(repo.namespace()).append(": ");
      repos.append(SpackLayout.REPOS).append('/').append(repo.path()).append('\n');
    }
    Files.writeString(scope.resolve("repos.yaml"), repos);
    Files.writeString(
        scope.resolve("mirrors.yaml"),
        """
        mirrors::
          sources:
            url: file://%s
            source: true
            binary: false
        """
            .formatted(SpackLayout.SOURCES));
    Files.writeString(
        scope.resolve("bootstrap.yaml"), "bootstrap:\n  enable: false\n  sources:: []\n");
    Files.writeString(
        scope.resolve("config.yaml"),
        """
        config:
          install_tree:
            root: %s
            padded_length: %d
            projections::
              all: "{architecture.platform}-{architecture.target}/{name}-{version}-{hash}"
          build_stage:: [%s]
          source_cache: /tmp/cache
          misc_cache: /tmp/misc
          test_stage: /tmp/test
          build_jobs: %d
          ccache: false
          install_missing_compilers: false
        """
            .formatted(task.installTreeRoot(), task.paddedLength(), SpackLayout.STAGE, jobs));
  }

  /** A repo: its namespace, and where it lies below the tree. */
  private record Repo(String namespace, String path) {}

  /**
   * Namespaces are directories; one with dots is nested. Builtin last, so that others come first.
   */
  private static List<Repo> repos(Path recipes) throws IOException {
    List<Repo> repos = new ArrayList<>();
    try (Stream<Path> found = Files.walk(recipes, 4)) {
      for (Path file : found.filter(f -> f.endsWith("repo.yaml")).toList()) {
        Path directory = file.getParent();
        if (directory == null || directory.equals(recipes)) {
          continue;
        }
        String path = recipes.relativize(directory).toString();
        if (!path.matches("[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*")) {
          throw new RefusedInputException("not a namespace of recipes: \"" + path + "\"");
        }
        repos.add(new Repo(path.replace('/', '.'), path));
      }
    }
    if (repos.isEmpty()) {
      throw new RefusedInputException("the recipes that were sent hold no repo.yaml");
    }
    repos.sort(
        Comparator.comparing((Repo r) -> r.namespace().startsWith("builtin"))
            .thenComparing(Repo::namespace));
    return repos;
  }
}
