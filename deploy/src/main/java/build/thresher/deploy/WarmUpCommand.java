package build.thresher.deploy;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * What the ahead-of-time caches are made from: a farm starts, a client in a process of its own asks
 * it for this and that over a real connection, other build tools give it work, all stops. Whatever
 * is loaded here starts faster later, and what ran often is compiled for what it really does as
 * soon as it runs again.
 */
@Command(
    name = "warm-up",
    hidden = true,
    description = "Start a farm, let a client use it and stop, to train the ahead-of-time caches.")
final class WarmUpCommand implements Callable<Integer> {
  /** A node that no farm has to build. */
  private static final String DOCUMENT =
      """
      {"spec":{"_meta":{"version":5},"nodes":[{"name":"warm-up","version":"1",\
      "arch":{"platform":"linux","platform_os":"any","target":"x86_64"},"namespace":"builtin",\
      "parameters":{},"external":{"path":"/usr","module":null,"extra_attributes":{}},\
      "annotations":{"original_specfile_version":5},"hash":"%s"}]}}
      """;

  /** What the load generator does; actions only where this machine makes sandboxes. */
  private static final String BLOBS = "small blobs|ByteStream|ActionResult";

  private static final String ACTIONS = "|no-op actions, 16";

  /** How an import ends whose spec was refused. */
  private static final int SPEC_FAILED = 1;

  @Option(
      names = "--client-of",
      paramLabel = "PLAN",
      description = "Be the client, which asks a farm for the plan.")
  private @Nullable Path plan;

  @Parameters(
      arity = "0..*",
      paramLabel = "COMMAND",
      description = "Starts this program once more; gets --client-of and its value.")
  private List<String> client = List.of();

  @Override
  public Integer call() throws Exception {
    if (plan != null) {
      String mirror = plan.resolveSibling("mirror").toString();
      int refused = Main.run("mirror", "import", "--instance", "warm-up", mirror);
      return Main.run("status")
          + Main.run("mirror", "--json")
          + Main.run("build", plan.toString())
          + (refused - SPEC_FAILED);
    }
    Path directory = Files.createTempDirectory("thresher-warm-up-");
    // Where this runs as root, actions run as another user.
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx--x--x"));
    try {
      Path token = directory.resolve("token");
      FarmConfig config =
          FarmConfig.load(
              null,
              Map.of(),
              List.of(
                  "data=" + directory.resolve("data"),
                  "executor.work=" + directory.resolve("executor"),
                  "executor.slots=2",
                  "access.client_results=true",
                  "access.token_file=" + token,
                  "grpc.listen=127.0.0.1:0",
                  "http.listen=127.0.0.1:0",
                  "mirror.pushed=[warm-up]",
                  "mirror.unsigned=[warm-up]"));
      writeMirror(directory.resolve("mirror"));
      try (FarmServer farm = FarmServer.start(config)) {
        int asked = runClient(farm.grpcTarget(), token, writePlan(directory));
        return "start".equals(System.getenv("THRESHER_WARM_UP"))
            ? asked
            : asked + work(config, farm, token);
      }
    } finally {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private static int work(FarmConfig config, FarmServer farm, Path token)
      throws IOException, ConfigException {
    FarmExecutor executor;
    try {
      executor = FarmExecutor.start(config, farm.localChannel(Tokens.read(token)));
    } catch (IOException e) {
      System.err.println("without actions: " + e.getMessage());
      return load(farm, token, BLOBS);
    }
    try (executor) {
      return load(farm, token, BLOBS + ACTIONS);
    }
  }

  private static int load(FarmServer farm, Path token, String rows) {
    return Main.run(
        "load",
        "--token-file",
        token.toString(),
        "--rounds",
        "0", // the one that only warms is enough
        "--rows",
        rows,
        "warm-up=" + farm.grpcTarget());
  }

  private int runClient(String server, Path token, Path written)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(client);
    command.addAll(List.of("--client-of", written.toString()));
    ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
    builder.environment().put("THRESHER_SERVER", server);
    builder.environment().put("THRESHER_TOKEN_FILE", token.toString());
    builder.environment().put("XDG_CACHE_HOME", token.resolveSibling("cache").toString());
    return builder.start().waitFor();
  }

  /** With a spec that is refused, after all that comes before. */
  private static void writeMirror(Path mirror) throws IOException {
    String hash = "a".repeat(32);
    byte[] content = hash.getBytes(StandardCharsets.UTF_8);
    String checksum = Digest.of(content).hex();
    Path blobs = mirror.resolve("blobs/sha256/" + checksum.substring(0, 2));
    Files.write(Files.createDirectories(blobs).resolve(checksum), content);
    Path specs = Files.createDirectories(mirror.resolve("v3/manifests/spec/warm-up"));
    Files.writeString(mirror.resolve("v3/layout.json"), "{\"signing\":\"gpg\"}");
    String blob =
        """
        {"contentLength":32,"mediaType":"%s","compression":"gzip","checksumAlgorithm":"sha256","checksum":"%s"}
        """;
    Files.writeString(
        specs.resolve("warm-up-1-" + hash + ".spec.manifest.json"),
        "{\"version\":3,\"data\":[%s,%s]}"
            .formatted(
                blob.formatted("application/vnd.spack.install.v2.tar+gzip", checksum),
                blob.formatted("application/vnd.spack.spec.v5+json", checksum)));
  }

  private static Path writePlan(Path directory) throws IOException, SpecFormatException {
    String unhashed = DOCUMENT.formatted("a".repeat(32));
    SpecDocument document = SpecDocument.parse(unhashed.getBytes(StandardCharsets.UTF_8));
    DagHash hash = document.node(document.roots().get(0)).contentHash();
    Path dag = Files.writeString(directory.resolve("dag.json"), DOCUMENT.formatted(hash));
    return Files.writeString(
        directory.resolve("plan.json"),
        """
        {"version":1,"dag":"%1$s","roots":["%2$s"],"sources":[],
        "trees":{"core":[{"path":"a/b","from":"%1$s"}],"recipes":[],"configuration":[]},
        "options":{"build_jobs":0,"fail_fast":false,"retry_failed":false,"verbose":false}}
        """
            .formatted(dag, hash));
  }
}
