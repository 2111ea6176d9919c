package build.thresher.cas.s3;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;

/** ListObjectsV2 over keys in their order. */
record Listing(String prefix, String delimiter, String after, int maxKeys) {
  static final int MAX_KEYS = 1000;

  /**
   * @throws S3Exception when a parameter is malformed
   */
  static Listing of(Map<String, String> query) throws S3Exception {
    String token = query.getOrDefault("continuation-token", "");
    String after = query.getOrDefault("start-after", "");
    int max;
    try {
      max = Integer.parseInt(query.getOrDefault("max-keys", Integer.toString(MAX_KEYS)));
      if (!token.isEmpty()) {
        after = new String(Base64.getUrlDecoder().decode(token), UTF_8);
      }
    } catch (IllegalArgumentException e) {
      throw S3Exception.invalid("max-keys or continuation-token is malformed");
    }
    return new Listing(
        query.getOrDefault("prefix", ""),
        query.getOrDefault("delimiter", ""),
        after,
        Math.clamp(max, 0, MAX_KEYS));
  }

  private record Page(List<String> keys, Set<String> prefixes, String next) {}

  private Page page(NavigableSet<String> all) {
    List<String> keys = new ArrayList<>();
    Set<String> prefixes = new LinkedHashSet<>();
    String last = "";
    for (String key : all.tailSet(prefix, true)) {
      if (!key.startsWith(prefix)) {
        break;
      }
      int end = delimiter.isEmpty() ? -1 : key.indexOf(delimiter, prefix.length());
      String common = end < 0 ? "" : key.substring(0, end + delimiter.length());
      boolean seen = key.compareTo(after) <= 0 || (!common.isEmpty() && common.equals(after));
      if (seen || prefixes.contains(common)) {
        continue;
      }
      if (keys.size() + prefixes.size() == maxKeys) {
        return new Page(keys, prefixes, last);
      }
      if (common.isEmpty()) {
        keys.add(key);
        last = key;
      } else {
        prefixes.add(common);
        last = common + Character.MAX_VALUE; // beyond everything with that beginning
      }
    }
    return new Page(keys, prefixes, "");
  }

  /** The answer. */
  String xml(String bucket, NavigableSet<String> all) {
    Page page = page(all);
    return Xml.document(
        "ListBucketResult",
        xml -> {
          xml.element("Name", bucket);
          xml.element("Prefix", prefix);
          if (!delimiter.isEmpty()) {
            xml.element("Delimiter", delimiter);
          }
          xml.element("MaxKeys", Integer.toString(maxKeys));
          xml.element("KeyCount", Integer.toString(page.keys().size() + page.prefixes().size()));
          xml.element("IsTruncated", Boolean.toString(!page.next().isEmpty()));
          if (!page.next().isEmpty()) {
            xml.element(
                "NextContinuationToken",
                Base64.getUrlEncoder().encodeToString(page.next().getBytes(UTF_8)));
          }
          for (String key : page.keys()) {
            xml.element(
                "Contents",
                inside -> {
                  inside.element("Key", key);
                  inside.element("LastModified", "1970-01-01T00:00:00.000Z");
                  inside.element("Size", "0");
                  inside.element("StorageClass", "STANDARD");
                });
          }
          for (String common : page.prefixes()) {
            xml.element("CommonPrefixes", inside -> inside.element("Prefix", common));
          }
        });
  }
}
