package build.thresher.cas.client;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.BlobWriter;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.DigestMismatchException;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree.Content;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Brings trees into a store, sending only what it lacks. Memory is bounded by a few batches,
 * whatever the size of the tree.
 */
public final class TreeUploader {
  private static final int BATCH_BYTES = 2 << 20;
  private static final int BATCH_BLOBS = 500;

  private final BlobStore store;
  private final Scope scope;

  public TreeUploader(BlobStore store, Scope scope) {
    this.store = store;
    this.scope = scope;
  }

  /**
   * What was sent.
   *
   * @param blobs blobs that the store lacked
   * @param bytes sum of their sizes
   */
  public record Uploaded(long blobs, long bytes) {}

  /**
   * On return the whole tree is in the store.
   *
   * @throws DigestMismatchException when a file changed since it was hashed
   */
  public Uploaded upload(LocalTree tree) throws IOException {
    return upload(tree.contents());
  }

  /** The same for blobs of several trees, or of none. */
  public Uploaded upload(Map<Digest, Content> contents) throws IOException {
    Set<Digest> missing = store.findMissing(scope, contents.keySet());
    List<Parallel.Transfer> transfers = new ArrayList<>();
    List<Digest> batch = new ArrayList<>();
    long batchBytes = 0;
    long bytes = 0;
    for (Digest digest : missing) {
      bytes += digest.sizeBytes();
      if (digest.sizeBytes() > BATCH_BYTES) {
        transfers.add(() -> stream(digest, contents));
        continue;
      }
      if (batchBytes + digest.sizeBytes() > BATCH_BYTES || batch.size() == BATCH_BLOBS) {
        List<Digest> full = batch;
        transfers.add(() -> putBatch(full, contents));
        batch = new ArrayList<>();
        batchBytes = 0;
      }
      batch.add(digest);
      batchBytes += digest.sizeBytes();
    }
    if (!batch.isEmpty()) {
      List<Digest> rest = batch;
      transfers.add(() -> putBatch(rest, contents));
    }
    Parallel.run(transfers);
    return new Uploaded(missing.size(), bytes);
  }

  private void putBatch(List<Digest> digests, Map<Digest, Content> contents) throws IOException {
    List<Blob> blobs = new ArrayList<>(digests.size());
    for (Digest digest : digests) {
      switch (content(digest, contents)) {
        case Content.InMemory memory -> blobs.add(new Blob(digest, memory.bytes()));
        case Content.InFile local -> {
          try (InputStream in = Files.newInputStream(local.file())) {
            // One byte more than expected shows growth without reading what it grew to.
            blobs.add(new Blob(digest, in.readNBytes((int) digest.sizeBytes() + 1)));
          }
        }
      }
    }
    store.putAll(scope, blobs);
  }

  private void stream(Digest digest, Map<Digest, Content> contents) throws IOException {
    try (InputStream in = open(content(digest, contents));
        BlobWriter writer = store.write(scope, digest)) {
      byte[] buffer = new byte[RemoteBlobWriter.CHUNK_BYTES];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        writer.write(ByteBuffer.wrap(buffer, 0, n));
      }
      writer.commit();
    }
  }

  private static Content content(Digest digest, Map<Digest, Content> contents) throws IOException {
    Content content = contents.get(digest);
    if (content == null) {
      throw new IOException("the store says it lacks " + digest + ", which nobody asked it about");
    }
    return content;
  }

  private static InputStream open(Content content) throws IOException {
    return switch (content) {
      case Content.InFile local -> Files.newInputStream(local.file());
      case Content.InMemory memory -> new ByteArrayInputStream(memory.bytes());
    };
  }
}
