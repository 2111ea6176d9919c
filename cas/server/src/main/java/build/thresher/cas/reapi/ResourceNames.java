package build.thresher.cas.reapi;

import build.thresher.cas.api.Digest;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * ByteStream's resource names: {@code [instance/]blobs/hash/size} to read and {@code
 * [instance/]uploads/uuid/blobs/hash/size[/anything]} to write, with {@code compressed-blobs/zstd}
 * for {@code blobs} where the bytes travel compressed. An instance name may hold slashes but none
 * of the words that the API reserves, so a name has one reading. Text from anywhere goes in; what
 * comes out cannot be malformed.
 */
final class ResourceNames {
  /** Longer than any client makes; bounds the work on hostile input. */
  private static final int MAX_LENGTH = 2_048;

  private static final Pattern SIZE = Pattern.compile("0|[1-9][0-9]{0,18}");
  private static final List<String> FUNCTIONS =
      List.of(
          "sha1", "md5", "vso", "sha384", "sha512", "murmur3", "sha256tree", "blake3", "gitsha1");

  private ResourceNames() {}

  /** How the bytes travel; digests and sizes are always those of the blob itself. */
  enum Compression {
    IDENTITY,
    ZSTD
  }

  /** A blob to be read. */
  record ToRead(String instance, Digest digest, Compression compression) {}

  private record Named(Digest digest, Compression compression, int end) {}

  /** An upload; two of the same blob differ in their id. */
  record Upload(String instance, UUID id, Digest digest, Compression compression) {}

  /**
   * @throws IllegalArgumentException in words that may be sent to the client
   */
  static ToRead parseToRead(String name) {
    List<String> parts = split(name);
    int blobs = find(parts, "blobs", "compressed-blobs");
    if (parts.subList(0, blobs).contains("uploads")) {
      throw new IllegalArgumentException("an upload cannot be read; read blobs/{hash}/{size}");
    }
    Named blob = blob(parts, blobs);
    if (parts.size() > blob.end()) {
      throw new IllegalArgumentException("nothing may follow the size in the name of a blob");
    }
    return new ToRead(instance(parts, blobs), blob.digest(), blob.compression());
  }

  /**
   * @throws IllegalArgumentException in words that may be sent to the client
   */
  static Upload parseUpload(String name) {
    List<String> parts = split(name);
    int uploads = find(parts, "uploads");
    if (parts.size() < uploads + 3 || find(parts, "blobs", "compressed-blobs") != uploads + 2) {
      throw new IllegalArgumentException(
          "an upload is named [instance/]uploads/{uuid}/blobs/{hash}/{size}");
    }
    UUID id;
    try {
      id = UUID.fromString(parts.get(uploads + 1));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("what follows 'uploads/' must be a UUID", e);
    }
    Named blob = blob(parts, uploads + 2);
    return new Upload(instance(parts, uploads), id, blob.digest(), blob.compression());
  }

  private static List<String> split(String name) {
    if (name.length() > MAX_LENGTH) {
      throw new IllegalArgumentException(
          "the resource name has more than " + MAX_LENGTH + " characters");
    }
    return List.of(name.split("/", -1));
  }

  private static int find(List<String> parts, String... words) {
    for (int i = 0; i < parts.size(); i++) {
      for (String word : words) {
        if (parts.get(i).equals(word)) {
          return i;
        }
      }
    }
    throw new IllegalArgumentException("the resource name has no part '" + words[0] + "'");
  }

  private static String instance(List<String> parts, int end) {
    List<String> instance = parts.subList(0, end);
    if (instance.contains("")) {
      throw new IllegalArgumentException("the instance name has an empty part");
    }
    return String.join("/", instance);
  }

  private static Named blob(List<String> parts, int at) {
    if (parts.get(at).equals("blobs")) {
      return new Named(digest(parts, at), Compression.IDENTITY, at + 3);
    }
    if (parts.size() < at + 2 || !parts.get(at + 1).equals("zstd")) {
      throw new IllegalArgumentException(
          "'compressed-blobs/' must be followed by zstd, the one compressor that this server knows");
    }
    return new Named(digest(parts, at + 1), Compression.ZSTD, at + 4);
  }

  private static Digest digest(List<String> parts, int blobs) {
    if (parts.size() > blobs + 1 && FUNCTIONS.contains(parts.get(blobs + 1))) {
      throw new IllegalArgumentException(
          "this server knows SHA256 only, not " + parts.get(blobs + 1));
    }
    if (parts.size() < blobs + 3) {
      throw new IllegalArgumentException("the name of a blob ends in {hash}/{size}");
    }
    String size = parts.get(blobs + 2);
    if (!SIZE.matcher(size).matches()) {
      throw new IllegalArgumentException("the size of a blob must be a decimal number of bytes");
    }
    try {
      return Digest.parse(parts.get(blobs + 1), Long.parseLong(size));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("the size of a blob cannot exceed 63 bits", e);
    }
  }
}
