package build.thresher.executor.testing;

import build.thresher.cas.api.Digest;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A registry on loopback that gives anonymous tokens, and its blobs from another address, as large
 * ones do. What it is told to give it gives, true or not.
 */
public final class TestRegistry implements AutoCloseable {
  private final HttpServer server;
  private final HttpServer blobServer;
  private final Map<String, byte[]> contents = new ConcurrentHashMap<>();
  private final List<String> requests = new CopyOnWriteArrayList<>();

  public TestRegistry() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    blobServer = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/v2/", this::registry);
    server.createContext(
        "/token",
        exchange ->
            answer(
                exchange,
                exchange.getRequestURI().getQuery().contains("scope=repository:") ? 200 : 400,
                "{\"token\":\"anybody\"}".getBytes(StandardCharsets.UTF_8)));
    blobServer.createContext("/", this::blob);
    server.start();
    blobServer.start();
  }

  /** Host and port. */
  public String address() {
    return "127.0.0.1:" + server.getAddress().getPort();
  }

  /** Methods and paths so far, without those for tokens. */
  public List<String> requests() {
    return List.copyOf(requests);
  }

  /** Gives a manifest under a tag and its digest, and the blobs of its image. */
  public void push(String repository, String tag, TestImage image) {
    put("/v2/" + repository + "/manifests/" + tag, image.index());
    put("/v2/" + repository + "/manifests/sha256:" + hex(image.manifest()), image.manifest());
    image.blobs().forEach((digest, bytes) -> put("/blobs/sha256:" + digest.hex(), bytes));
  }

  public void put(String path, byte[] content) {
    contents.put(path, content);
  }

  private static String hex(byte[] bytes) {
    return Digest.of(bytes).hex();
  }

  private void registry(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getPath();
    if (!"Bearer anybody".equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      exchange
          .getResponseHeaders()
          .add(
              "WWW-Authenticate",
              "Bearer realm=\"http://"
                  + address()
                  + "/token\",service=\"test registry\",scope=\"repository:x:pull\"");
      answer(exchange, 401, new byte[0]);
      return;
    }
    requests.add(path);
    int blobs = path.indexOf("/blobs/");
    if (blobs > 0) {
      exchange
          .getResponseHeaders()
          .add(
              "Location",
              "http://127.0.0.1:" + blobServer.getAddress().getPort() + path.substring(blobs));
      answer(exchange, 307, new byte[0]);
      return;
    }
    byte[] content = contents.get(path);
    answer(exchange, content == null ? 404 : 200, content == null ? new byte[0] : content);
  }

  /** Refuses whoever shows it the registry's token. */
  private void blob(HttpExchange exchange) throws IOException {
    byte[] content = contents.get(exchange.getRequestURI().getPath());
    boolean leaked = exchange.getRequestHeaders().containsKey("Authorization");
    int status = leaked ? 400 : content == null ? 404 : 200;
    answer(exchange, status, status == 200 && content != null ? content : new byte[0]);
  }

  private static void answer(HttpExchange exchange, int status, byte[] content) throws IOException {
    exchange.sendResponseHeaders(status, content.length == 0 ? -1 : content.length);
    exchange.getResponseBody().write(content);
    exchange.close();
  }

  @Override
  public void close() {
    server.stop(0);
    blobServer.stop(0);
  }
}
