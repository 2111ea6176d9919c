package build.thresher.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** Repositories behind git's own HTTP backend, on loopback. */
public final class GitServer implements AutoCloseable {
  private final AtomicInteger requests = new AtomicInteger();
  private final Path root;
  private final HttpServer web;

  public GitServer(Path root) throws IOException {
    this.root = Files.createDirectories(root);
    web = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    web.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    web.createContext("/", this::answer);
    web.start();
  }

  /** How many were answered, or are being. */
  public int requests() {
    return requests.get();
  }

  public String url(String repository) {
    return "http://127.0.0.1:" + web.getAddress().getPort() + "/" + repository;
  }

  /** Runs git in a directory below the root; returns what it says. */
  public String git(String directory, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("git", "-c", "protocol.file.allow=always"));
    command.addAll(List.of("-c", "user.name=A", "-c", "user.email=a@example.org"));
    command.addAll(List.of(arguments));
    return run(root.resolve(directory), Map.of(), new byte[0], command).strip();
  }

  /** Makes a work tree to commit in; it is served as {@code NAME/.git}. */
  public Path repository(String name) throws Exception {
    Path made = Files.createDirectories(root.resolve(name));
    git(name, "init", "--quiet", "-b", "main");
    return made;
  }

  /**
   * @return the commit
   */
  public String commitAll(String name) throws Exception {
    git(name, "add", "--all");
    git(name, "commit", "--quiet", "--message", "a change");
    return git(name, "rev-parse", "HEAD");
  }

  private static String run(
      Path directory, Map<String, String> environment, byte[] input, List<String> command)
      throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(false);
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().putAll(environment);
    Process process = builder.start();
    Thread feed =
        Thread.ofVirtual()
            .start(
                () -> {
                  try (var out = process.getOutputStream()) {
                    new ByteArrayInputStream(input).transferTo(out);
                  } catch (IOException e) {
                    // It read as much as it wanted.
                  }
                });
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    feed.join();
    if (process.waitFor() != 0) {
      throw new IOException(command + " failed: " + said);
    }
    return said;
  }

  /** The common gateway interface, as far as the backend needs it. */
  private void answer(HttpExchange exchange) throws IOException {
    requests.incrementAndGet();
    try (exchange) {
      String path = exchange.getRequestURI().getPath();
      if (path.startsWith("/moved/")) {
        String query = exchange.getRequestURI().getRawQuery();
        String to = path.substring("/moved".length()) + (query == null ? "" : "?" + query);
        exchange.getResponseHeaders().add("Location", to);
        exchange.sendResponseHeaders(301, -1);
        return;
      }
      Map<String, String> environment =
          Map.of(
              "GIT_PROJECT_ROOT", root.toString(),
              "GIT_HTTP_EXPORT_ALL", "1",
              "PATH_INFO", path,
              "QUERY_STRING",
                  Optional.ofNullable(exchange.getRequestURI().getRawQuery()).orElse(""),
              "REQUEST_METHOD", exchange.getRequestMethod(),
              "CONTENT_TYPE", header(exchange, "Content-Type"),
              "HTTP_CONTENT_ENCODING", header(exchange, "Content-Encoding"),
              "GIT_PROTOCOL", header(exchange, "Git-Protocol"));
      String said =
          run(
              root,
              environment,
              exchange.getRequestBody().readAllBytes(),
              List.of("git", "http-backend"));
      int end = said.indexOf("\r\n\r\n");
      int status = 200;
      for (String line : said.substring(0, end).split("\r\n", -1)) {
        String[] parts = line.split(": ", 2);
        if (parts[0].equals("Status")) {
          status = Integer.parseInt(parts[1].split(" ", 2)[0]);
        } else {
          exchange.getResponseHeaders().add(parts[0], parts[1]);
        }
      }
      byte[] body = said.substring(end + 4).getBytes(StandardCharsets.ISO_8859_1);
      exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
      exchange.getResponseBody().write(body);
    } catch (IOException e) {
      throw e;
    } catch (Exception e) {
      throw new IOException(e);
    }
  }

  private static String header(HttpExchange exchange, String name) {
    return Optional.ofNullable(exchange.getRequestHeaders().getFirst(name)).orElse("");
  }

  @Override
  public void close() {
    web.stop(0);
  }
}
