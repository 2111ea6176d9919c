package build.thresher.cas.store;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.StoreUnavailableException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * The files of large blobs: {@code blobs/<2 hex>/<64 hex>}, paths made from the 32 bytes of a hash.
 * A file appears under its name only whole, verified and synced. Temporary files stand in {@code
 * tmp/} of the same tree, so that a rename is one step.
 */
final class LargeBlobFiles {
  private final Path blobs;
  private final Path temporary;
  private final Path quarantine;
  private final Disk disk;
  private final WriteGate gate;
  private final DirectFiles direct;
  private final AtomicLong nextTemporary = new AtomicLong();

  private LargeBlobFiles(Path dir, Disk disk, WriteGate gate, DirectFiles direct) {
    this.blobs = dir.resolve("blobs");
    this.temporary = dir.resolve("tmp");
    this.quarantine = dir.resolve("quarantine");
    this.disk = disk;
    this.gate = gate;
    this.direct = direct;
  }

  /** Makes the directories, durably, and removes what a crash left half written. */
  static LargeBlobFiles open(Path dir, Disk disk, WriteGate gate, boolean direct)
      throws IOException {
    Path temporary = Files.createDirectories(dir.resolve("tmp"));
    LargeBlobFiles files = new LargeBlobFiles(dir, disk, gate, DirectFiles.in(temporary, direct));
    Files.createDirectories(files.quarantine);
    Files.createDirectories(files.blobs);
    for (int i = 0; i < 256; i++) { // a power cut in mid-work may have left any of them
      Files.createDirectories(files.blobs.resolve(HexFormat.of().toHexDigits((byte) i)));
    }
    disk.syncDirectory(files.blobs); // whoever made them may have been cut off before he could
    disk.syncDirectory(dir);
    try (Stream<Path> left = Files.list(files.temporary)) {
      for (Path file : (Iterable<Path>) left::iterator) {
        Files.delete(file);
      }
    }
    return files;
  }

  Path path(Digest digest) {
    String hex = digest.hex();
    return blobs.resolve(hex.substring(0, 2)).resolve(hex);
  }

  Path newTemporary() {
    return temporary.resolve(Long.toString(nextTemporary.incrementAndGet()));
  }

  /** An empty file, made anew. */
  SequentialFile create(Path path) throws IOException {
    return direct.create(path);
  }

  /** Moves a whole, verified file under its name; on return file and name are on disk. */
  void publish(FileChannel file, Path temporaryFile, Digest digest) throws IOException {
    Path path = path(digest);
    try {
      disk.syncFile(file);
    } catch (IOException e) {
      throw gate.shut(e);
    }
    try {
      Files.move(temporaryFile, path, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new StoreUnavailableException(
          "blob " + digest + " cannot be put under its name: " + e.getMessage(), e);
    }
    try {
      disk.syncDirectory(path.resolveSibling("."));
    } catch (IOException e) {
      throw gate.shut(e);
    }
  }

  /**
   * @param index knows whether a file that is gone was removed or lost
   * @throws BlobNotFoundException when it was removed
   * @throws DamagedException when it was lost
   */
  FileChannel openForRead(Digest digest, BlobIndex index) throws IOException, DamagedException {
    try {
      return FileChannel.open(path(digest), StandardOpenOption.READ);
    } catch (NoSuchFileException e) {
      throw gone(digest, index);
    }
  }

  /** The same for a range of it, from front to back. */
  FileBytes read(Digest digest, BlobIndex index, long offset, long length)
      throws IOException, DamagedException {
    int block = BlockChecksums.BLOCK_BYTES;
    long end = (offset + length + block - 1) / block * block;
    try {
      return direct.read(path(digest), offset / block * block, Math.min(end, digest.sizeBytes()));
    } catch (NoSuchFileException e) {
      throw gone(digest, index);
    }
  }

  private static DamagedException gone(Digest digest, BlobIndex index) throws IOException {
    if (index.record(digest) == null) {
      throw new BlobNotFoundException(digest);
    }
    return new DamagedException(-1, "its file is gone");
  }

  void delete(Digest digest) throws IOException {
    Files.deleteIfExists(path(digest));
  }

  /** Keeps a damaged file for whoever wants to know why. */
  void quarantine(Digest digest) throws IOException {
    try {
      Files.move(
          path(digest), quarantine.resolve(digest.hex()), StandardCopyOption.REPLACE_EXISTING);
    } catch (NoSuchFileException e) {
      // The damage was that the file is gone.
    }
  }

  /** Every file that stands under the name of a blob. */
  interface Visitor {
    void visit(Digest digest) throws IOException;
  }

  void forEach(Visitor visitor) throws IOException {
    try (Stream<Path> all = Files.walk(blobs, 2)) {
      for (Path file : (Iterable<Path>) all::iterator) {
        if (file.getNameCount() == blobs.getNameCount() + 2) {
          visitor.visit(Digest.parse(file.getFileName().toString(), Files.size(file)));
        }
      }
    }
  }
}
