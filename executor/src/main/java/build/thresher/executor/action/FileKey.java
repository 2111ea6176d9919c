package build.thresher.executor.action;

import build.bazel.remote.execution.v2.FileNode;
import build.bazel.remote.execution.v2.NodeProperties;
import build.thresher.cas.api.Digest;
import com.google.protobuf.Timestamp;

/**
 * A file as inputs name it: content and everything that one inode can have only once. Two inputs
 * with the same content and other permissions are two files of the cache.
 *
 * @param digest content
 * @param mode permission bits
 * @param seconds time of last change, since 1970
 * @param nanos of that second
 */
record FileKey(Digest digest, int mode, long seconds, int nanos) {
  /** 2010-01-01: the same everywhere, and old enough for whatever compares times. */
  static final long DEFAULT_SECONDS = 1_262_304_000L;

  private static final int PERMISSIONS = 0777;
  private static final int OWNER_READ = 0400;

  /**
   * @throws RefusedActionException when the digest is malformed
   */
  static FileKey of(FileNode node) throws RefusedActionException {
    NodeProperties properties = node.getNodeProperties();
    int mode = node.getIsExecutable() ? 0755 : 0644;
    if (properties.hasUnixMode()) {
      mode = (properties.getUnixMode().getValue() & PERMISSIONS) | OWNER_READ;
    }
    Timestamp mtime = properties.getMtime();
    return new FileKey(
        InputTree.digest(node.getDigest()),
        mode,
        properties.hasMtime() ? mtime.getSeconds() : DEFAULT_SECONDS,
        properties.hasMtime() ? mtime.getNanos() : 0);
  }

  /** A name on disk. */
  String fileName() {
    String name = digest.hex() + "-" + digest.sizeBytes() + "-" + Integer.toOctalString(mode);
    return seconds == DEFAULT_SECONDS && nanos == 0 ? name : name + "-" + seconds + "-" + nanos;
  }

  /**
   * @throws IllegalArgumentException when no file of the cache is called so
   */
  static FileKey parse(String fileName) {
    String[] parts = fileName.split("-", -1);
    if (parts.length != 3 && parts.length != 5) {
      throw new IllegalArgumentException("not a file of the cache: " + fileName);
    }
    boolean timed = parts.length == 5;
    return new FileKey(
        Digest.parse(parts[0], Long.parseLong(parts[1])),
        Integer.parseInt(parts[2], 8),
        timed ? Long.parseLong(parts[3]) : DEFAULT_SECONDS,
        timed ? Integer.parseInt(parts[4]) : 0);
  }
}
