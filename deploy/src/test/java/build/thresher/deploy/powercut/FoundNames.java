package build.thresher.deploy.powercut;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.http.AccessCheck;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.http.MirrorServer;
import build.thresher.cas.http.SourceLookup;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.Pins;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Views;
import build.thresher.cas.oci.OciHandler;
import build.thresher.cas.sources.SourceFetcher;
import build.thresher.cas.sources.SourceOptions;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.deploy.powercut.Names.Kind;
import build.thresher.deploy.powercut.Names.Name;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;

/** The names that are found after a power cut: tags, sources, pins and views. */
record FoundNames(
    Path found, RocksBlobStore blobs, RocksSpackMirror mirror, MirrorOptions options) {

  int check(List<Name> given) throws IOException {
    Pins pins = Pins.open(mirror);
    Views views = Views.open(mirror);
    for (Name name : of(Kind.PIN, given)) {
      assertTrue(
          pins.of(name.where()).stream().anyMatch(pin -> pin.name().equals(name.name())),
          "lost " + name);
    }
    for (Name name : of(Kind.VIEW, given)) {
      assertTrue(
          views.of(name.where()).stream().anyMatch(view -> view.name().equals(name.name())),
          "lost " + name);
    }
    // What nothing is expected of may have been cut off before it was made.
    if (!of(Kind.SOURCE, given).isEmpty()) {
      checkSources(of(Kind.SOURCE, given));
    }
    if (!of(Kind.TAG, given).isEmpty()) {
      checkTags(of(Kind.TAG, given));
    }
    return given.size();
  }

  private static List<Name> of(Kind kind, List<Name> given) {
    return given.stream().filter(name -> name.kind() == kind).toList();
  }

  private void checkSources(List<Name> given) throws IOException {
    try (SourceFetcher sources =
        SourceFetcher.open(
            found.resolve("sources"), blobs, SourceOptions.defaults(), System::nanoTime)) {
      for (Name name : given) {
        Digest digest =
            sources
                .mirror()
                .find(name.where(), name.name())
                .orElseThrow(() -> new AssertionError("lost " + name));
        assertEquals(name.what(), digest.hex());
      }
    }
  }

  private void checkTags(List<Name> given) throws IOException {
    AccessCheck everybody = (role, instance, who) -> true;
    try (OciHandler images =
            OciHandler.open(
                found.resolve("oci"),
                new DiskReserve(found, 0),
                mirror,
                new PushedSpecs(mirror, blobs, options),
                blobs,
                List.of(Names.IMAGES),
                options,
                everybody,
                Duration.ofMinutes(1),
                InstantSource.system(),
                new SecureRandom());
        MirrorServer server =
            MirrorServer.start(
                MirrorHttpOptions.listeningOn("127.0.0.1", 0),
                mirror,
                blobs,
                SourceLookup.NONE,
                everybody,
                images.routes());
        HttpClient http = HttpClient.newHttpClient()) {
      for (Name name : given) {
        String path = "/v2/%s/manifests/%s".formatted(name.where(), name.name());
        HttpRequest request =
            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path)).build();
        HttpResponse<byte[]> answer = http.send(request, BodyHandlers.ofByteArray());
        assertEquals(200, answer.statusCode(), "lost " + name);
        assertEquals(name.what(), Digest.of(answer.body()).hex());
      }
    } catch (InterruptedException e) {
      throw new InterruptedIOException("interrupted");
    }
  }
}
