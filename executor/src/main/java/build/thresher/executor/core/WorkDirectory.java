package build.thresher.executor.core;

import build.thresher.executor.action.Kernel;
import build.thresher.executor.inputs.FileTrees;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The executor's own directory: locked against a second executor, cleared of what an earlier one
 * left of its builds, caches kept. Thread-safe.
 */
final class WorkDirectory implements Closeable {
  private final Path root;
  private final FileChannel lockFile;
  private final AtomicLong builds = new AtomicLong();

  private WorkDirectory(Path root, FileChannel lockFile) {
    this.root = root;
    this.lockFile = lockFile;
  }

  static WorkDirectory open(Path root) throws IOException {
    FileTrees.createReadable(root);
    FileChannel channel =
        FileChannel.open(root.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      channel.close();
      throw new HostNotReadyException(
          "another executor uses " + root + "; give each executor a directory of its own");
    }
    // What an executor that was killed had mounted is still there.
    new Kernel().detachBelow(root.resolve("builds"));
    FileTrees.delete(root.resolve("builds"));
    FileTrees.createReadable(root.resolve("builds"));
    return new WorkDirectory(root, channel);
  }

  Path resolve(String name) {
    return root.resolve(name);
  }

  /** A fresh directory for one build, that the caller deletes. */
  Path newBuild() throws IOException {
    return FileTrees.createReadable(
        root.resolve("builds").resolve(Long.toString(builds.incrementAndGet())));
  }

  @Override
  public void close() throws IOException {
    if (Files.isDirectory(root.resolve("builds"))) {
      FileTrees.delete(root.resolve("builds"));
    }
    lockFile.close();
  }
}
