package build.thresher.executor.testing;

import build.thresher.cas.api.Digest;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The registry that others are measured by, as a process: Debian's docker-registry. */
public final class DistributionRegistry implements AutoCloseable {
  private static final Path PROGRAM = Path.of("/usr/bin/docker-registry");

  private final Process process;
  private final int port;
  private final HttpClient http = HttpClient.newHttpClient();

  public static boolean isInstalled() {
    return Files.isExecutable(PROGRAM);
  }

  public DistributionRegistry(Path directory) throws Exception {
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    Files.createDirectories(directory);
    Path config = directory.resolve("config.yml");
    Files.writeString(
        config,
        """
        version: 0.1
        log: {level: error}
        storage: {filesystem: {rootdirectory: %s}}
        http: {addr: '127.0.0.1:%d'}
        """
            .formatted(directory, port));
    process =
        new ProcessBuilder(PROGRAM.toString(), "serve", config.toString())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("log").toFile())
            .start();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!answers()) {
      if (System.nanoTime() > deadline || !process.isAlive()) {
        process.destroyForcibly();
        throw new IllegalStateException(Files.readString(directory.resolve("log")));
      }
      Thread.sleep(50);
    }
  }

  private boolean answers() throws InterruptedException {
    try {
      HttpRequest ping = HttpRequest.newBuilder(URI.create("http://" + address() + "/v2/")).build();
      return http.send(ping, BodyHandlers.discarding()).statusCode() == 200;
    } catch (java.io.IOException e) {
      return false;
    }
  }

  public String address() {
    return "127.0.0.1:" + port;
  }

  /** Uploads an image as a client would. */
  public void push(String repository, String tag, TestImage image) throws Exception {
    String base = "http://" + address() + "/v2/" + repository;
    for (Map.Entry<Digest, byte[]> blob : image.blobs().entrySet()) {
      HttpRequest start =
          HttpRequest.newBuilder(URI.create(base + "/blobs/uploads/"))
              .POST(BodyPublishers.noBody())
              .build();
      String location =
          http.send(start, BodyHandlers.discarding())
              .headers()
              .firstValue("Location")
              .orElseThrow();
      String separator = location.contains("?") ? "&" : "?";
      put(
          URI.create(base).resolve(location + separator + "digest=sha256:" + blob.getKey().hex()),
          "application/octet-stream",
          blob.getValue());
    }
    String type = "application/vnd.oci.image.manifest.v1+json";
    put(URI.create(base + "/manifests/" + tag), type, image.manifest());
  }

  private void put(URI uri, String type, byte[] content) throws Exception {
    HttpResponse<String> response =
        http.send(
            HttpRequest.newBuilder(uri)
                .header("Content-Type", type)
                .PUT(BodyPublishers.ofByteArray(content))
                .build(),
            BodyHandlers.ofString());
    if (response.statusCode() != 201) {
      throw new IllegalStateException(uri + ": " + response.statusCode() + response.body());
    }
  }

  @Override
  public void close() throws Exception {
    process.destroy();
    process.waitFor();
    http.close();
  }
}
