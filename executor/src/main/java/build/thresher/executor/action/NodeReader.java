package build.thresher.executor.action;

import build.bazel.remote.execution.v2.NodeProperties;
import build.thresher.cas.api.Digest;
import build.thresher.cas.client.LocalTree.Content;
import build.thresher.cas.client.WireTimes;
import com.google.protobuf.UInt32Value;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.util.Map;
import java.util.Optional;

/**
 * Reads files that an action made, and what else a client wants to know of them. Small files stay
 * in memory until they are uploaded, up to a sum. Used by one thread.
 */
final class NodeReader {
  private static final int KEPT_FILE_BYTES = 1 << 20;
  private static final long KEPT_BYTES = 16 << 20;
  private static final int PERMISSION_BITS = 07777;

  private final boolean mtime;
  private final boolean mode;
  private final Map<Digest, Content> contents;
  private final byte[] buffer = new byte[1 << 16];
  private long kept;

  /**
   * @param contents gets every file that is read
   */
  NodeReader(boolean mtime, boolean mode, Map<Digest, Content> contents) {
    this.mtime = mtime;
    this.mode = mode;
    this.contents = contents;
  }

  /** The digest of a regular file. */
  Digest file(Path path) throws IOException {
    try (InputStream in = Files.newInputStream(path, LinkOption.NOFOLLOW_LINKS)) {
      if (kept < KEPT_BYTES) {
        byte[] start = in.readNBytes(KEPT_FILE_BYTES);
        if (start.length < KEPT_FILE_BYTES) {
          kept += start.length;
          return remember(Digest.of(start), new Content.InMemory(start));
        }
        MessageDigest sha256 = Digest.sha256();
        sha256.update(start);
        return remember(finish(in, sha256, start.length), new Content.InFile(path));
      }
      return remember(finish(in, Digest.sha256(), 0), new Content.InFile(path));
    }
  }

  private Digest remember(Digest digest, Content content) {
    contents.putIfAbsent(digest, content);
    return digest;
  }

  private Digest finish(InputStream in, MessageDigest sha256, long read) throws IOException {
    long size = read;
    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
      sha256.update(buffer, 0, n);
      size += n;
    }
    return Digest.fromHash(sha256.digest(), size);
  }

  static boolean executable(Path path) throws IOException {
    return Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS)
        .contains(PosixFilePermission.OWNER_EXECUTE);
  }

  /** Those that the command wants recorded; empty when it wants none. */
  Optional<NodeProperties> properties(Path path) throws IOException {
    if (!mtime && !mode) {
      return Optional.empty();
    }
    NodeProperties.Builder properties = NodeProperties.newBuilder();
    if (mtime) {
      FileTime time = Files.getLastModifiedTime(path, LinkOption.NOFOLLOW_LINKS);
      properties.setMtime(WireTimes.toWire(time.toInstant()));
    }
    if (mode) {
      int bits = (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
      properties.setUnixMode(UInt32Value.of(bits & PERMISSION_BITS));
    }
    return Optional.of(properties.build());
  }
}
