package build.thresher.executor.action;

import static build.thresher.executor.action.ActionBench.SCOPE;
import static build.thresher.executor.action.ActionBench.bytes;
import static build.thresher.executor.action.ActionBench.shell;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import build.bazel.remote.execution.v2.Command;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree;
import build.thresher.executor.action.ActionReport.Failed;
import build.thresher.executor.images.ImageOptions;
import build.thresher.executor.testing.DistributionRegistry;
import build.thresher.executor.testing.TestImage;
import build.thresher.executor.testing.TestImage.Layer;
import build.thresher.executor.testing.TestRegistry;
import build.thresher.v1.FailureClass;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Actions whose root is a container image, from registries over real HTTP and from the store. */
final class ContainerImageTest {
  /** Only what a shell does itself: there is nothing else in the image. */
  private static final String LOOK =
      "read a < /etc/motd; echo $a; [ -e /etc/gone ] || echo gone; echo x 2> /dev/null > /etc/new"
          + " || echo read-only; [ -e /usr/bin ] || echo no host; echo t > /tmp/t && echo tmp;"
          + " read b < in; echo $b made > out";

  private static final String SEEN = "of the second layer\ngone\nread-only\nno host\ntmp\n";

  private final Path temporary;
  private ActionBench bench;
  private TestRegistry registry;

  ContainerImageTest(@TempDir Path temporary) {
    this.temporary = temporary;
  }

  @BeforeEach
  void open() throws Exception {
    bench = new ActionBench(temporary);
    registry = new TestRegistry();
    allow("http://" + registry.address());
  }

  @AfterEach
  void close() throws Exception {
    bench.close();
    registry.close();
  }

  private void allow(String... registries) throws Exception {
    bench.reopen(
        ActionOptions.defaults().withImages(new ImageOptions(List.of(registries), 1L << 30)));
  }

  private static TestImage image() throws Exception {
    return new TestImage()
        .gzip(
            new Layer()
                .shell()
                .directory("etc")
                .file("etc/motd", "of the first layer\n")
                .file("etc/gone", "")
                .device("dev/console"))
        .zstd(new Layer().file("etc/motd", "of the second layer\n").file("etc/.wh.gone", ""));
  }

  private ActionBench.Run run(Command.Builder command, String image, String... more)
      throws Exception {
    Digest inputs = bench.upload(LocalTree.builder().addBytes("in", bytes("input\n"), false));
    String[] properties = new String[more.length + 1];
    properties[0] = "container-image=" + image;
    System.arraycopy(more, 0, properties, 1, more.length);
    return bench.run(command, inputs, properties);
  }

  private void looks(String image) throws Exception {
    ActionBench.Run run = run(shell(LOOK).addOutputPaths("out"), image);
    assertEquals(SEEN, run.stdout(), run.stderr());
    assertEquals("input made\n", bench.content(run.result().getOutputFiles(0).getDigest()));
  }

  private Failed refusal(String image, String... more) throws Exception {
    return run(shell("true"), image, more).failure();
  }

  @Test
  void anImageIsTheRootOfAnActionAndFetchedOnce() throws Exception {
    TestImage image = image();
    registry.push("farm/tools", "1", image);
    String name = "docker://" + registry.address() + "/farm/tools";
    looks(name + ":1");
    List<String> requests = registry.requests();
    assertEquals(4, requests.size(), requests.toString());
    looks(name + ":1");
    assertEquals(requests, registry.requests());
    // The same image by its digest.
    looks(name + "@sha256:" + Digest.of(image.manifest()).hex());
    assertEquals(5, registry.requests().size(), registry.requests().toString());
  }

  @Test
  void anImageOfTheRegistryThatDockerMadeIsRun() throws Exception {
    assumeTrue(DistributionRegistry.isInstalled(), "no docker-registry on this machine");
    try (DistributionRegistry real = new DistributionRegistry(temporary.resolve("registry"))) {
      real.push("farm/tools", "latest", image());
      allow("http://" + real.address());
      looks("docker://" + real.address() + "/farm/tools");
    }
  }

  @Test
  void anImageOfTheStoreNeedsNoRegistry() throws Exception {
    allow();
    TestImage image = image();
    for (Map.Entry<Digest, byte[]> blob : image.blobs().entrySet()) {
      bench.store.put(SCOPE, blob.getValue());
    }
    Digest manifest = bench.store.put(SCOPE, image.manifest());
    looks("cas://" + manifest.hex() + "/" + manifest.sizeBytes());
    Failed missing = refusal("cas://" + "0".repeat(64) + "/100");
    assertTrue(missing.message().contains("does not have the image manifest"), missing.message());
  }

  @Test
  void aRegistryThatIsNotAllowedIsNotAsked() throws Exception {
    allow();
    Failed refused = refusal("docker://" + registry.address() + "/farm/tools:1");
    assertEquals(FailureClass.FAILURE_INPUT, refused.kind());
    assertTrue(refused.message().contains("executor.registries"), refused.message());
    assertEquals(List.of(), registry.requests());
  }

  @Test
  void whatCannotBeARootIsRefusedWithTheReason() throws Exception {
    String address = "docker://" + registry.address();
    assertTrue(refusal(address + "/no/such:1").message().contains("no manifests/1"));
    assertTrue(refusal("ubuntu:22.04").message().contains("it must be docker://"));
    assertTrue(refusal(address + "/../x:1").message().contains("it must be docker://"));
    registry.push("farm/tools", "1", image());
    assertTrue(
        refusal(address + "/farm/tools:1", "chrootIntoInputRoot=true")
            .message()
            .contains("only one of both"));
    registry.put("/v2/farm/old/manifests/1", bytes("{\"schemaVersion\":1,\"fsLayers\":[]}"));
    assertTrue(refusal(address + "/farm/old:1").message().contains("first format"));
    registry.put("/v2/farm/html/manifests/1", bytes("<html>"));
    assertTrue(refusal(address + "/farm/html:1").message().contains("malformed"));
  }

  @Test
  void aRegistryThatGivesOtherBytesIsNotBelieved() throws Exception {
    TestImage image = image();
    registry.push("farm/tools", "1", image);
    Digest layer = image.blobs().keySet().iterator().next();
    registry.put("/blobs/sha256:" + layer.hex(), bytes("other bytes"));
    Failed failed = refusal("docker://" + registry.address() + "/farm/tools:1");
    assertEquals(FailureClass.FAILURE_INFRASTRUCTURE, failed.kind());
    registry.push("farm/tools", "1", image);
    looks("docker://" + registry.address() + "/farm/tools:1");
  }

  @Test
  void layersCannotReachOutOfTheirImage() throws Exception {
    Path outside = Files.createDirectory(temporary.resolve("outside"));
    Files.writeString(outside.resolve("file"), "mine");
    String up = "/" + "../".repeat(20) + outside.toString().substring(1);
    TestImage image =
        new TestImage()
            .gzip(new Layer().shell().link("up", up).link("there", outside.toString()))
            .gzip(
                new Layer()
                    .file("up/evil", "x")
                    .file("there/file", "x")
                    .file("there/.wh.file", "")
                    .hardLink("stolen", "there/file")
                    .file("there/.wh..wh..opq", ""));
    registry.push("farm/evil", "1", image);
    ActionBench.Run run =
        run(shell("read a < /stolen; echo $a"), "docker://" + registry.address() + "/farm/evil:1");
    assertEquals("x\n", run.stdout(), run.stderr());
    assertEquals("mine", Files.readString(outside.resolve("file")));
    try (var entries = Files.list(outside)) {
      assertEquals(1, entries.count());
    }
    registry.push("farm/dots", "1", new TestImage().gzip(new Layer().file("../../evil", "x")));
    Failed dots = refusal("docker://" + registry.address() + "/farm/dots:1");
    assertTrue(dots.message().contains("an entry with the path"), dots.message());
  }
}
