package build.thresher.cas.reapi;

import build.thresher.cas.api.Digest;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * ByteStream's resource names: {@code [instance/]blobs/hash/size} to read and {@code
 * [instance/]uploads/uuid/blobs/hash/size[/anything]} to write. An instance name may hold slashes
 * but none of the words that the API reserves, so a name has one reading. Text from anywhere goes
 * in; what comes out cannot be malformed.
 */
final class ResourceNames {
  /** Longer than any client makes; bounds the work on hostile input. */
  private static final int MAX_LENGTH = 2_048;

  private static final Pattern SIZE = Pattern.compile("0|[1-9][0-9]{0,18}");
  private static final List<String> FUNCTIONS =
      List.of(
          "sha1", "md5", "vso", "sha384", "sha512", "murmur3", "sha256tree", "blake3", "gitsha1");

  private ResourceNames() {}

  /** A blob to be read. */
  record ToRead(String instance, Digest digest) {}

  /** An upload; two of the same blob differ in their id. */
  record Upload(String instance, UUID id, Digest digest) {}

  /**
   * @throws IllegalArgumentException in words that may be sent to the client
   */
  static ToRead parseToRead(String name) {
    List<String> parts = split(name);
    int blobs = find(parts, "blobs", "compressed-blobs");
    if (parts.subList(0, blobs).contains("uploads")) {
      throw new IllegalArgumentException("an upload cannot be read; read blobs/{hash}/{size}");
    }
    Digest digest = digest(parts, blobs);
    if (parts.size() > blobs + 3) {
      throw new IllegalArgumentException("nothing may follow the size in the name of a blob");
    }
    return new ToRead(instance(parts, blobs), digest);
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
    return new Upload(instance(parts, uploads), id, digest(parts, uploads + 2));
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

  private static Digest digest(List<String> parts, int blobs) {
    if (parts.get(blobs).equals("compressed-blobs")) {
      throw new IllegalArgumentException(
          "this server takes no compressed blobs; its capabilities name no compressor");
    }
    if (parts.size() > blobs + 1 && FUNCTIONS.contains(parts.get(blobs + 1))) {
      throw new IllegalArgumentException(
          "this server knows SHA256 only, not " + parts.get(blobs + 1));
    }
    if (parts.size() < blobs + 3) {
      throw new IllegalArgumentException("'blobs/' must be followed by {hash}/{size}");
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
