package build.thresher.deploy.powercut;

import build.bazel.remote.execution.v2.ActionCacheGrpc;
import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.UpdateActionResultRequest;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.cas.client.RemoteBlobStore;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.ExecuteRequest;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.PushSpecRequest;
import build.thresher.v1.PushSpecResponse;
import build.thresher.v1.PushSpecsRequest;
import build.thresher.v1.SpackInputs;
import com.google.common.io.BaseEncoding;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.net.http.HttpClient;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The assembled server under the recorder, and clients who write down what it acknowledges. */
final class RecordedFarm implements AutoCloseable {
  private static final Path PROGRAM = Path.of("target/thresher/bin/thresher").toAbsolutePath();
  private static final Pattern READY = Pattern.compile("ready: grpc=(\\S+) http=(\\S+)");
  private static final Scope SCOPE = new Scope("default", "test");

  private final Path scratch;
  private final Process server;
  private final ManagedChannel channel;
  private final RemoteBlobStore blobs;
  private final Names names;

  private RecordedFarm(
      Path scratch, Process server, ManagedChannel channel, String http, String token) {
    this.scratch = scratch;
    this.server = server;
    this.channel = channel;
    this.names = new Names(channel, HttpClient.newHttpClient(), http, token);
    this.blobs = new RemoteBlobStore(channel, "default");
  }

  /**
   * @param recorder the library
   */
  static RecordedFarm start(Path scratch, Path recorder) throws IOException, InterruptedException {
    Path data = Files.createDirectories(scratch.resolve("data"));
    Path log = scratch.resolve("server.log");
    Path token = scratch.resolve("token");
    ProcessBuilder builder =
        new ProcessBuilder(
                PROGRAM.toString(),
                "serve",
                "--set",
                "data=" + data,
                "--set",
                "access.token_file=" + token,
                "--set",
                "executor.local=false",
                "--set",
                "mirror.pushed=["
                    + String.join(", ", FoundMirror.INSTANCES)
                    + ", "
                    + Names.IMAGES
                    + "]",
                "--set",
                "mirror.unsigned=[" + Names.IMAGES + "]",
                "--set",
                "mirror.trusted_keys={" + trustedByAll() + "}",
                "--set",
                "access.client_results=true",
                "--set",
                "grpc.listen=127.0.0.1:0",
                "--set",
                "http.listen=127.0.0.1:0")
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    builder.environment().put("LD_PRELOAD", recorder.toString());
    builder.environment().put("RECORDER_ROOT", data.toString());
    builder.environment().put("RECORDER_LOG", recording(scratch).toString());
    Process server = builder.start();
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
    while (System.nanoTime() < deadline && server.isAlive()) {
      Matcher ready = READY.matcher(Files.readString(log));
      if (ready.find()) {
        String secret = Files.readString(token).strip();
        ManagedChannel channel = FarmChannel.open(new FarmEndpoint(ready.group(1), secret, null));
        return new RecordedFarm(scratch, server, channel, ready.group(2), secret);
      }
      Thread.sleep(20);
    }
    server.destroyForcibly();
    throw new AssertionError("the server did not start:\n" + Files.readString(log));
  }

  private static String trustedByAll() {
    return FoundMirror.INSTANCES.stream()
        .map(instance -> instance + ": " + SpackSpecs.KEY)
        .collect(Collectors.joining(", "));
  }

  private static Path recording(Path scratch) {
    return scratch.resolve("recording");
  }

  /**
   * Small blobs together, one large one, a result that names them, a spec, a request, names; each
   * noted when it was acknowledged.
   */
  void work(Random random, int client, int round, Ledger ledger) throws IOException {
    List<Blob> small = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      small.add(Blob.of(bytes(random, 1 + random.nextInt(20_000))));
    }
    blobs.putAll(SCOPE, small);
    small.forEach(b -> ledger.blobAcknowledged(b.digest()));

    Blob large = Blob.of(bytes(random, (300 << 10) + random.nextInt(1 << 20)));
    try (BlobWriter writer = blobs.write(SCOPE, large.digest())) {
      writer.write(ByteBuffer.wrap(large.bytes()));
      writer.commit();
    }
    ledger.blobAcknowledged(large.digest());

    keepResult(small.getFirst().digest());
    ledger.resultKept(small.getFirst().digest());

    String instance = FoundMirror.INSTANCES.get(client);
    ledger.specPublished(instance, publish(instance, round));
    ledger.requestAccepted(execute(random));

    String mine = "c%d-r%d".formatted(client, round);
    ledger.nameGiven(names.tag(Names.IMAGES + "/of", mine, small.getLast().bytes()));
    ledger.nameGiven(names.source("made/" + mine + ".tar.gz", large));
    ledger.nameGiven(names.pin(instance, mine));
    ledger.nameGiven(names.view(instance, mine));
  }

  /** That of an action whose only output is the action itself, to have no need of more names. */
  static ActionResult result(Digest action) {
    ActionResult.Builder result = ActionResult.newBuilder();
    result.addOutputFilesBuilder().setPath("out").setDigest(WireDigests.toWire(action));
    return result.build();
  }

  private void keepResult(Digest action) {
    UpdateActionResultRequest request =
        UpdateActionResultRequest.newBuilder()
            .setInstanceName("default")
            .setActionDigest(WireDigests.toWire(action))
            .setActionResult(result(action))
            .build();
    ActionResult unused =
        ActionCacheGrpc.newBlockingStub(channel)
            .withDeadlineAfter(1, TimeUnit.MINUTES)
            .updateActionResult(request);
  }

  private DagHash publish(String instance, int round) throws IOException {
    List<Path> manifests = SpackSpecs.manifests();
    Path manifest = manifests.get(round % manifests.size());
    blobs.putAll(new Scope(instance, "test"), SpackSpecs.blobsOf(manifest));
    PushSpecResponse answer =
        MirrorGrpc.newBlockingStub(channel)
            .withDeadlineAfter(1, TimeUnit.MINUTES)
            .pushSpecs(
                PushSpecsRequest.newBuilder()
                    .setInstanceName(instance)
                    .addSpecs(PushSpecRequest.newBuilder().setManifest(Files.readString(manifest)))
                    .build())
            .getResults(0);
    if (answer.getStatus().getCode() != 0) {
      throw new IOException(manifest + " is refused: " + answer.getStatus().getMessage());
    }
    return SpackSpecs.hashOf(manifest);
  }

  private static byte[] bytes(Random random, int count) {
    byte[] bytes = new byte[count];
    random.nextBytes(bytes);
    return bytes;
  }

  private String execute(Random random) throws IOException {
    String id = "r" + Long.toHexString(random.nextLong());
    Digest dag = blobs.put(SCOPE, document("p" + id));
    Digest empty = blobs.put(SCOPE, new byte[0]);
    var inputs = WireDigests.toWire(empty);
    ExecuteRequest request =
        ExecuteRequest.newBuilder()
            .setInstanceName("default")
            .setRequestId(id)
            .setDag(WireDigests.toWire(dag))
            .setInputs(
                SpackInputs.newBuilder()
                    .setCore(inputs)
                    .setRecipes(inputs)
                    .setConfiguration(inputs))
            .build();
    var updates =
        FarmGrpc.newBlockingStub(channel).withDeadlineAfter(1, TimeUnit.MINUTES).execute(request);
    return updates.next().getAccepted().getRequestId();
  }

  /** One concrete node, as Spack writes it. */
  private static byte[] document(String name) {
    String json =
        "{\"name\":\""
            + name
            + "\",\"version\":\"1.0\",\"arch\":{\"platform\":\"linux\",\"platform_os\":\"debian12\","
            + "\"target\":\"x86_64\"}";
    String hash = BaseEncoding.base32().encode(sha1(json + "}")).toLowerCase(Locale.ROOT);
    return ("{\"spec\":{\"_meta\":{\"version\":5},\"nodes\":["
            + json
            + ",\"hash\":\""
            + hash
            + "\"}]}}")
        .getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] sha1(String text) {
    try {
      return MessageDigest.getInstance("SHA-1").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** Kills the server and returns what it did. */
  Recording stop() throws IOException, InterruptedException {
    close();
    return Recording.read(recording(scratch));
  }

  String log() throws IOException {
    return Files.readString(scratch.resolve("server.log"));
  }

  @Override
  public void close() throws InterruptedException {
    channel.shutdownNow();
    names.http().shutdownNow();
    server.destroyForcibly().waitFor();
  }
}
