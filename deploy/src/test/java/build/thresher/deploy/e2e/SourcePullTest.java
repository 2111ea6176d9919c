package build.thresher.deploy.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** An unmodified Spack whose only mirror is a farm, which has to fetch every source itself. */
@Timeout(600)
class SourcePullTest {
  /** More than a reader waits for the whole, together more than Spack waits for the next byte. */
  private static final long PAUSE_MILLIS = 3500;

  private final Map<String, Integer> given = Collections.synchronizedMap(new TreeMap<>());
  private HttpServer upstream;

  @BeforeEach
  void start() throws IOException {
    upstream = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    upstream.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    upstream.start();
  }

  @AfterEach
  void stop() {
    upstream.stop(0);
  }

  /** In three parts, with time between them. */
  private void give(HttpExchange exchange, Path directory) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().getPath();
      Path file = directory.resolve(path.substring(1));
      if (!Files.isRegularFile(file)) {
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      given.merge(path, 1, Integer::sum);
      byte[] bytes = Files.readAllBytes(file);
      exchange.sendResponseHeaders(200, bytes.length);
      int third = bytes.length / 3;
      OutputStream out = exchange.getResponseBody();
      for (int from : List.of(0, third)) {
        out.write(bytes, from, third);
        out.flush();
        Thread.sleep(PAUSE_MILLIS);
      }
      out.write(bytes, 2 * third, bytes.length - 2 * third);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void fetchesAndInstalls(SpackWorld world, Path directory) throws Exception {
    world.keepCompilerWrapper();
    // What its owner's Spack has downloaded is neither used nor deleted.
    Path downloads = directory.resolve("downloads");
    world.spack("config", "add", "config:source_cache:" + downloads).succeeded();
    Path sources = world.directory().resolve("sources");
    upstream.createContext("/", exchange -> give(exchange, sources));
    String address = "http://127.0.0.1:" + upstream.getAddress().getPort();
    try (FarmUnderTest farm =
        FarmUnderTest.start(
            directory.resolve("farm"),
            "executor.local=false",
            "sources.mirrors=[" + address + "]")) {
      world.spack("mirror", "remove", "fl").succeeded();
      world.spack("mirror", "add", "--type", "source", "farm", farm.mirrorUrl()).succeeded();
      world.spack("fetch", "--dependencies", "fl-core").succeeded();
      assertEquals(2, given.size(), given.toString());
      assertTrue(given.values().stream().allMatch(times -> times == 1), given.toString());
      upstream.stop(0);
      world.spack("clean", "--downloads", "--stage").succeeded();
      world.spack("install", "fl-core").succeeded();
      Processes.Ended listed = farm.thresher("sources", "list").succeeded();
      for (String path : given.keySet()) {
        assertTrue(listed.output().contains(path.substring(1)), listed.output());
      }
    }
  }

  @Test
  void theSpackAtHandGetsEachSourceByTheFarm(@TempDir Path directory) throws Exception {
    fetchesAndInstalls(SpackWorld.make(directory.resolve("world")), directory);
  }

  @Test
  @Tag("long")
  void anotherSpackGetsEachSourceByTheFarm(@TempDir Path directory) throws Exception {
    fetchesAndInstalls(SpackWorld.makeOfAnotherSpack(directory.resolve("world")), directory);
  }
}
