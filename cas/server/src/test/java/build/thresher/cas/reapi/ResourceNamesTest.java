package build.thresher.cas.reapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import build.thresher.cas.api.Digest;
import build.thresher.cas.reapi.ResourceNames.Compression;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ResourceNamesTest {
  private static final Digest DIGEST = Digest.of(new byte[] {1});
  private static final String BLOB = "blobs/" + DIGEST;
  private static final String ID = "b7f3c1de-1111-4222-8333-944445555666";

  @ParameterizedTest
  @ValueSource(strings = {"", "main", "projects/p/instances/i", "a.b-c_d/e"})
  void anInstanceMayHoldSlashes(String instance) {
    String prefix = instance.isEmpty() ? "" : instance + "/";
    ResourceNames.ToRead read = ResourceNames.parseToRead(prefix + BLOB);
    assertEquals(instance, read.instance());
    assertEquals(DIGEST, read.digest());
    for (String tail : new String[] {"", "/file.txt", "/a/b/blobs/c", "/"}) {
      ResourceNames.Upload upload =
          ResourceNames.parseUpload(prefix + "uploads/" + ID + "/" + BLOB + tail);
      assertEquals(instance, upload.instance());
      assertEquals(ID, upload.id().toString());
      assertEquals(DIGEST, upload.digest());
      assertEquals(Compression.IDENTITY, upload.compression());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "main/", "projects/p/instances/i/"})
  void bytesMayTravelCompressed(String prefix) {
    String blob = "compressed-blobs/zstd/" + DIGEST;
    ResourceNames.ToRead read = ResourceNames.parseToRead(prefix + blob);
    assertEquals(DIGEST, read.digest());
    assertEquals(Compression.ZSTD, read.compression());
    ResourceNames.Upload upload =
        ResourceNames.parseUpload(prefix + "uploads/" + ID + "/" + blob + "/a/name");
    assertEquals(DIGEST, upload.digest());
    assertEquals(Compression.ZSTD, upload.compression());
    assertEquals(prefix, upload.instance().isEmpty() ? "" : upload.instance() + "/");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "/",
        "blobs",
        "blobs/",
        "blobs//",
        "/HASH/1",
        "/blobs/HASH/1",
        "a//blobs/HASH/1",
        "blobs/HASH",
        "blobs/HASH/",
        "blobs/HASH/-1",
        "blobs/HASH/+1",
        "blobs/HASH/01",
        "blobs/HASH/1x",
        "blobs/HASH/9999999999999999999",
        "blobs/HASH/99999999999999999999",
        "blobs/HASH/1/",
        "blobs/HASH/1/x",
        "blobs/../../etc/passwd/1",
        "blobs/HASH0/1",
        "blobs/sha1/HASH/1",
        "blobs/blake3/HASH/1",
        "compressed-blobs/HASH/1",
        "compressed-blobs/zstd",
        "compressed-blobs/zstd/HASH",
        "compressed-blobs/zstd/HASH/1/x",
        "compressed-blobs/deflate/HASH/1",
        "compressed-blobs/identity/HASH/1",
        "compressed-blobs/ZSTD/HASH/1",
        "blobs/zstd/HASH/1",
        "uploads/ID/blobs/HASH/1",
        "uploads/ID/compressed-blobs/zstd/HASH/1",
        "blobs/ZZ/1",
        "blobs/HASH/\u0661",
        "blobs%2fHASH%2f1"
      })
  void hostileNamesToReadAreRefusedInWords(String name) {
    assertThrows(IllegalArgumentException.class, () -> ResourceNames.parseToRead(fill(name)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "blobs/HASH/1",
        "uploads/",
        "uploads/ID",
        "uploads/ID/",
        "uploads/ID/blobs",
        "uploads/ID/HASH/1",
        "uploads/no-uuid/blobs/HASH/1",
        "uploads//blobs/HASH/1",
        "uploads/ID/x/blobs/HASH/1",
        "/uploads/ID/blobs/HASH/1",
        "blobs/uploads/ID/blobs/HASH/1",
        "compressed-blobs/zstd/HASH/1",
        "uploads/ID/compressed-blobs/HASH/1",
        "uploads/ID/compressed-blobs/brotli/HASH/1",
        "uploads/ID/compressed-blobs/zstd/HASH",
        "compressed-blobs/uploads/ID/blobs/HASH/1",
        "uploads/ID/blobs/HASH/1e3"
      })
  void hostileNamesToWriteAreRefusedInWords(String name) {
    assertThrows(IllegalArgumentException.class, () -> ResourceNames.parseUpload(fill(name)));
  }

  @ParameterizedTest
  @ValueSource(ints = {2_049, 1_000_000})
  void longNamesAreRefused(int length) {
    assertThrows(
        IllegalArgumentException.class, () -> ResourceNames.parseToRead("a/".repeat(length)));
  }

  private static String fill(String name) {
    return name.replace("HASH", DIGEST.hex()).replace("ID", ID);
  }
}
