package build.thresher.cas.sources;

import build.thresher.cas.api.BulkInputStream;
import build.thresher.cas.sources.FetchException.Reason;
import java.io.BufferedInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * One HTTP/1.1 GET to an address that was checked before. The JDK's clients resolve names
 * themselves, so that what they connect to need not be what was checked; this one connects to the
 * checked address and still asks for, and verifies the certificate of, the host by its name.
 *
 * <p>Used by one thread.
 */
final class HttpSource implements Closeable {
  private static final int MAX_HEADER_BYTES = 64 << 10;

  private final Socket socket;
  private final InputStream in;
  private final int status;
  private final Map<String, String> headers = new HashMap<>();
  private int headerBytes;

  private HttpSource(Socket socket, URI uri, Map<String, String> sent) throws IOException {
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream(), 64 << 10);
    String path = uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
    String query = uri.getRawQuery() == null ? "" : "?" + uri.getRawQuery();
    StringBuilder request =
        new StringBuilder(
            "GET %s%s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
                .formatted(path, query, uri.getRawAuthority()));
    Map<String, String> all = new TreeMap<>(Map.of("user-agent", "thresher", "accept", "*/*"));
    all.putAll(sent);
    all.forEach((name, value) -> request.append(name).append(": ").append(value).append("\r\n"));
    request.append("\r\n");
    socket.getOutputStream().write(request.toString().getBytes(StandardCharsets.US_ASCII));
    socket.getOutputStream().flush();
    String[] first = line().split(" ", 3);
    if (first.length < 2 || !first[0].startsWith("HTTP/1.") || !first[1].matches("\\d{3}")) {
      throw new FetchException(
          Reason.UNREACHABLE, Addresses.shown(uri) + " does not answer in HTTP/1.1");
    }
    this.status = Integer.parseInt(first[1]);
    for (String header = line(); !header.isEmpty(); header = line()) {
      int colon = header.indexOf(':');
      if (colon > 0) {
        headers.put(
            header.substring(0, colon).toLowerCase(Locale.ROOT),
            header.substring(colon + 1).strip());
      }
    }
  }

  /**
   * Connects and reads as far as the headers.
   *
   * @param sent headers by lower-case name, checked before
   */
  static HttpSource open(
      URI uri, InetAddress address, Duration readTimeout, Map<String, String> sent)
      throws IOException {
    boolean tls = "https".equals(uri.getScheme());
    int port = uri.getPort() >= 0 ? uri.getPort() : tls ? 443 : 80;
    int millis = Math.toIntExact(readTimeout.toMillis());
    Socket socket = new Socket();
    try {
      socket.connect(new InetSocketAddress(address, port), millis);
      socket.setSoTimeout(millis);
      return new HttpSource(tls ? secured(socket, uri.getHost(), port) : socket, uri, sent);
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static Socket secured(Socket plain, String host, int port) throws IOException {
    SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
    SSLSocket socket = (SSLSocket) factory.createSocket(plain, host, port, true);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    return socket;
  }

  int status() {
    return status;
  }

  /** "" where there is none. */
  String header(String lowerCaseName) {
    return headers.getOrDefault(lowerCaseName, "");
  }

  /** Ends where the server says; where it breaks off before, reading fails. */
  InputStream body() {
    if (header("transfer-encoding").equalsIgnoreCase("chunked")) {
      return new Chunks();
    }
    String length = header("content-length");
    return length.matches("\\d{1,18}") ? new Counted(Long.parseLong(length)) : in;
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) {
        throw new EOFException("the server closed the connection in its headers");
      }
      if (++headerBytes > MAX_HEADER_BYTES) {
        throw new IOException("the server's headers do not end");
      }
      line.append((char) c);
    }
    return line.toString().stripTrailing();
  }

  /** A body in one part or several, each of a length that was said before it. */
  private abstract class Body extends BulkInputStream {
    long left;

    /** Whether another part follows, whose length is {@link #left} then. */
    abstract boolean next() throws IOException;

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      if (left == 0 && !next()) {
        return -1;
      }
      int n = in.read(buffer, offset, (int) Math.min(length, left));
      if (n < 0) {
        throw new EOFException("the server closed the connection in the middle of the file");
      }
      left -= n;
      return n;
    }
  }

  /** Of one part. */
  private final class Counted extends Body {
    Counted(long length) {
      left = length;
    }

    @Override
    boolean next() {
      return false;
    }
  }

  /** The chunked transfer coding of RFC 9112, 7.1. */
  private final class Chunks extends Body {
    private boolean started;
    private boolean ended;

    @Override
    boolean next() throws IOException {
      if (!ended) {
        nextChunk();
      }
      return !ended;
    }

    private void nextChunk() throws IOException {
      headerBytes = 0;
      if (started && !line().isEmpty()) {
        throw new IOException("a chunk of the file does not end where it says");
      }
      started = true;
      String size = line().split(";", 2)[0].strip();
      if (!size.matches("[0-9a-fA-F]{1,15}")) {
        throw new IOException("a chunk of the file has no size");
      }
      left = Long.parseLong(size, 16);
      ended = left == 0;
    }
  }
}
