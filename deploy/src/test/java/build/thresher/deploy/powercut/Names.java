package build.thresher.deploy.powercut;

import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.AddSourcesRequest;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.NamedSource;
import build.thresher.v1.PinStatus;
import build.thresher.v1.SetPinRequest;
import build.thresher.v1.SetViewRequest;
import build.thresher.v1.SourceOutcome;
import build.thresher.v1.SourcesGrpc;
import build.thresher.v1.ViewStatus;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Gives names to things, over gRPC and HTTP; each method returns when the farm acknowledged. */
public record Names(ManagedChannel channel, HttpClient http, String address, String token) {
  /** Where images may be pushed. */
  static final String IMAGES = "images";

  private static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";

  /** What has names. */
  public enum Kind {
    TAG,
    SOURCE,
    PIN,
    VIEW
  }

  /**
   * A name that was given.
   *
   * @param where instance or repository
   * @param what sha256 of what it names; "" for what is a name only
   */
  public record Name(Kind kind, String where, String name, String what) {}

  /** An image of one layer, by a tag. */
  public Name tag(String repository, String tag, byte[] layer) throws IOException {
    String path = "/v2/" + repository + "/";
    String manifest =
        """
        {"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}
        """
            .formatted(
                MANIFEST,
                pushed(path, "config", "{}".getBytes(StandardCharsets.UTF_8)),
                pushed(path, "layer", layer));
    byte[] bytes = manifest.getBytes(StandardCharsets.UTF_8);
    send("PUT", path + "manifests/" + tag, MANIFEST, bytes);
    return new Name(Kind.TAG, repository, tag, Digest.of(bytes).hex());
  }

  /** Pushes a blob, and describes it. */
  private String pushed(String path, String kind, byte[] blob) throws IOException {
    String digest = "sha256:" + Digest.of(blob).hex();
    send("POST", path + "blobs/uploads/?digest=" + digest, "application/octet-stream", blob);
    return "{\"mediaType\":\"application/vnd.test.%s\",\"digest\":\"%s\",\"size\":%d}"
        .formatted(kind, digest, blob.length);
  }

  private void send(String method, String path, String type, byte[] body) throws IOException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://" + address + path))
            .timeout(Duration.ofMinutes(1))
            .header("Authorization", "Bearer " + token)
            .header("Content-Type", type)
            .method(method, BodyPublishers.ofByteArray(body))
            .build();
    try {
      HttpResponse<String> answer = http.send(request, BodyHandlers.ofString());
      assertEquals(201, answer.statusCode(), path + ": " + answer.body());
    } catch (InterruptedException e) {
      throw new InterruptedIOException(path);
    }
  }

  /** A source that is in the store, by a readable name. */
  public Name source(String name, Blob source) {
    String hex = source.digest().hex();
    NamedSource named =
        NamedSource.newBuilder()
            .setDigest(WireDigests.toWire(source.digest()))
            .setMirrorPath("_source-cache/archive/%s/%s.tar.gz".formatted(hex.substring(0, 2), hex))
            .addNames(name)
            .build();
    var added =
        SourcesGrpc.newBlockingStub(channel)
            .withDeadlineAfter(1, TimeUnit.MINUTES)
            .addSources(AddSourcesRequest.newBuilder().addSources(named).build())
            .getSources(0);
    assertEquals(SourceOutcome.SOURCE_ADDED, added.getOutcome(), added.getReason());
    return new Name(Kind.SOURCE, "default", name, hex);
  }

  private MirrorGrpc.MirrorBlockingStub mirror() {
    return MirrorGrpc.newBlockingStub(channel).withDeadlineAfter(1, TimeUnit.MINUTES);
  }

  public Name pin(String instance, String name) {
    PinStatus pin =
        mirror()
            .setPin(
                SetPinRequest.newBuilder()
                    .setInstanceName(instance)
                    .setName(name)
                    .addSpecs("fl-core")
                    .build());
    return new Name(Kind.PIN, instance, pin.getName(), "");
  }

  public Name view(String instance, String name) {
    ViewStatus view =
        mirror()
            .setView(
                SetViewRequest.newBuilder()
                    .setInstanceName(instance)
                    .setName(name)
                    .addPackages("fl-core")
                    .build());
    return new Name(Kind.VIEW, instance, view.getName(), "");
  }
}
