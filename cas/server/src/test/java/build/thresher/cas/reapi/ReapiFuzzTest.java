package build.thresher.cas.reapi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.GetTreeResponse;
import build.thresher.cas.api.Blob;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.mirror.MemoryBlobStore;
import build.thresher.testing.Hostile;
import build.thresher.testing.HostileBytes;
import com.github.luben.zstd.ZstdIOException;
import com.github.luben.zstd.ZstdInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Names, messages and compressed bytes that callers of the Remote Execution API send. */
class ReapiFuzzTest extends HostileBytes {
  private static final int DECLARED_BYTES = 1 << 20;

  @Hostile
  void aNameToReadIsRefusedOrMeansTheSameWrittenAgain(byte[] utf8) {
    ResourceNames.ToRead name;
    try {
      name = ResourceNames.parseToRead(text(utf8));
    } catch (IllegalArgumentException e) {
      return;
    }
    assertFalse(name.instance().startsWith("/") || name.instance().contains("//"));
    String again =
        (name.instance().isEmpty() ? "" : name.instance() + "/")
            + blobs(name.compression())
            + name.digest();
    assertEquals(text(utf8), again);
  }

  @Hostile
  void aNameToWriteIsRefusedOrMeansTheSameWrittenAgain(byte[] utf8) {
    ResourceNames.Upload name;
    try {
      name = ResourceNames.parseUpload(text(utf8));
    } catch (IllegalArgumentException e) {
      return;
    }
    String again =
        (name.instance().isEmpty() ? "" : name.instance() + "/")
            + "uploads/"
            + name.id()
            + "/"
            + blobs(name.compression())
            + name.digest();
    assertEquals(name, ResourceNames.parseUpload(again));
  }

  private static String blobs(ResourceNames.Compression compression) {
    return switch (compression) {
      case IDENTITY -> "blobs/";
      case ZSTD -> "compressed-blobs/zstd/";
    };
  }

  private static String text(byte[] utf8) {
    return new String(utf8, StandardCharsets.UTF_8);
  }

  /** Stops at the size that was declared, as an upload does. */
  private static final class Enough extends IOException {
    private static final long serialVersionUID = 1L;
  }

  @Hostile
  void zstdIsRefusedOrDecodedAsTheLibraryDoes(byte[] compressed) throws IOException {
    byte[] whole = decoded(compressed, compressed.length + 1);
    byte[] inPieces = decoded(compressed, 7);
    assertArrayEquals(whole, inPieces, "cut otherwise, it is something else");
    if (whole.length == 0 || whole.length >= DECLARED_BYTES) {
      return;
    }
    try (ZstdInputStream library = new ZstdInputStream(new ByteArrayInputStream(compressed))) {
      assertArrayEquals(library.readNBytes(DECLARED_BYTES), whole);
    } catch (ZstdIOException e) {
      throw new AssertionError("accepted what the library refuses", e);
    }
  }

  /** Empty when it is refused. */
  private static byte[] decoded(byte[] compressed, int pieceBytes) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ZstdDecoder decoder = new ZstdDecoder()) {
      for (int at = 0; at < compressed.length; at += pieceBytes) {
        ByteBuffer piece =
            ByteBuffer.wrap(compressed, at, Math.min(pieceBytes, compressed.length - at));
        decoder.decode(
            piece,
            bytes -> {
              byte[] some = new byte[bytes.remaining()];
              bytes.get(some);
              out.writeBytes(some);
              if (out.size() > DECLARED_BYTES) {
                throw new Enough();
              }
            });
      }
      decoder.finish();
    } catch (IllegalArgumentException | Enough e) {
      return new byte[0];
    }
    return out.toByteArray();
  }

  @Hostile
  void aTreeIsRefusedOrSentOnceForEachDirectory(byte[] directory) throws IOException {
    MemoryBlobStore store = new MemoryBlobStore();
    Scope scope = Scope.farm("default");
    store.putAll(scope, List.of(Blob.of(directory), Blob.of(new byte[0])));
    Set<Directory> sent = new HashSet<>();
    try (TreePages pages = new TreePages(store, scope, Digest.of(directory), 1, "")) {
      for (GetTreeResponse page = pages.next(); page != null; page = pages.next()) {
        assertTrue(sent.addAll(page.getDirectoriesList()), "sent twice");
      }
    } catch (IllegalArgumentException e) {
      return;
    }
    assertTrue(sent.size() <= 2);
  }
}
