package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.http.MirrorServer;
import build.thresher.cas.http.SourceLookup;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.cas.store.StoreOptions;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** All that makes a mirror, on disk and behind HTTP, as a server has it. */
record MirrorOnDisk(
    RocksBlobStore blobs,
    RocksSpackMirror mirror,
    PushedSpecs pushed,
    Pins pins,
    Views views,
    Retention retention,
    MirrorServer server)
    implements AutoCloseable {
  static final String INDEX = "v3/manifests/index/index.manifest.json";

  /** Else most of what is measured would be RSA. */
  private static final KeyType KEYS = KeyType.ED25519;

  private static final Pattern CHECKSUM = Pattern.compile("\"checksum\":\"([0-9a-f]{64})\"");

  /** Opens it, with instances that take what anybody pushes. */
  static MirrorOnDisk open(Path dir, String... instances) throws IOException {
    InstantSource clock = InstantSource.system();
    StoreOptions options = StoreOptions.DEFAULTS.withReserveBytes(0);
    RocksBlobStore blobs = RocksBlobStore.open(dir.resolve("blobs"), options, clock);
    PushRules anybody = new PushRules(TrustedKeys.NONE, true);
    MirrorOptions mirrorOptions =
        MirrorOptions.of(ImmutableMap.of())
            .withPushed(
                ImmutableMap.copyOf(Maps.toMap(ImmutableSet.copyOf(instances), i -> anybody)));
    Signers signers = new SignersInDirectory(dir.resolve("signer"), "benchmark", clock, KEYS);
    RocksSpackMirror mirror =
        RocksSpackMirror.open(dir.resolve("mirror"), blobs, signers, mirrorOptions, clock);
    Pins pins = Pins.open(mirror);
    Views views = Views.open(mirror);
    return new MirrorOnDisk(
        blobs,
        mirror,
        new PushedSpecs(mirror, blobs, mirrorOptions),
        pins,
        views,
        new Retention(mirror, pins, views, instance -> Set.of()),
        MirrorServer.start(
            MirrorHttpOptions.listeningOn("127.0.0.1", 0),
            mirror,
            blobs,
            SourceLookup.NONE,
            (role, instance, who) -> true,
            ImmutableMap.of()));
  }

  /**
   * Reads the index as a client does, without keeping it.
   *
   * @return its size in bytes
   * @throws IOException also when it does not list this spec
   */
  long readIndex(String instance, DagHash spec) throws IOException {
    String manifest = new String(get(instance, INDEX), StandardCharsets.US_ASCII);
    Matcher checksum = CHECKSUM.matcher(manifest);
    if (!checksum.find()) {
      throw new IOException("no index: " + manifest);
    }
    return get(
        instance,
        blob(checksum.group(1)),
        in -> {
          String entry = "\"" + spec + "\":{\"spec\"";
          boolean found = false;
          long size = 0;
          byte[] chunk = new byte[1 << 16];
          int carried = 0; // an entry may begin in one chunk and end in the next
          for (int n = in.read(chunk); n >= 0; ) {
            size += n;
            int filled = carried + n;
            found =
                found || new String(chunk, 0, filled, StandardCharsets.ISO_8859_1).contains(entry);
            carried = Math.min(filled, entry.length());
            System.arraycopy(chunk, filled - carried, chunk, 0, carried);
            n = in.read(chunk, carried, chunk.length - carried);
          }
          if (!found) {
            throw new IOException("the index does not list " + spec);
          }
          return size;
        });
  }

  static String blob(String sha256) {
    return "blobs/sha256/" + sha256.substring(0, 2) + "/" + sha256;
  }

  /** A GET on a connection of its own, as Spack makes them. */
  byte[] get(String instance, String path) throws IOException {
    return get(instance, path, InputStream::readAllBytes);
  }

  private interface Body<T> {
    T read(InputStream in) throws IOException;
  }

  private <T> T get(String instance, String path, Body<T> body) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
      String request =
          "GET /mirror/%s/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
              .formatted(instance, path);
      socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
      InputStream in = new BufferedInputStream(socket.getInputStream());
      StringBuilder head = new StringBuilder();
      while (head.indexOf("\r\n\r\n", Math.max(0, head.length() - 4)) < 0) {
        int next = in.read();
        if (next < 0) {
          throw new IOException(path + ": no answer");
        }
        head.append((char) next);
      }
      String said = head.toString();
      if (!said.startsWith("HTTP/1.1 200")) {
        throw new IOException(path + ": " + said);
      }
      return body.read(in);
    }
  }

  @Override
  public void close() throws IOException {
    server.stop();
    mirror.close();
    blobs.close();
  }
}
