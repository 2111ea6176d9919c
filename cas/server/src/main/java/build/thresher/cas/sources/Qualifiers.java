package build.thresher.cas.sources;

import build.bazel.remote.asset.v1.Qualifier;
import com.google.common.base.CharMatcher;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSortedMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What narrows down a fetch or a push. Those that this server does not know are refused, as the API
 * demands: {@code checksum.sri}; {@code thresher.mirror_path}, where Spack's source mirrors have
 * the file; {@code resource_type}; Bazel's {@code bazel.canonical_id} and {@code http_header:NAME},
 * {@code http_header_url:INDEX:NAME}.
 */
public final class Qualifiers {
  private static final String CHECKSUM = "checksum.sri";
  private static final String MIRROR_PATH = "thresher.mirror_path";
  private static final String HEADER = "http_header:";
  private static final String HEADER_OF_URI = "http_header_url:";
  private static final Set<String> OTHERS = Set.of("resource_type", "bazel.canonical_id");
  private static final int MAX_URIS = 100;
  private static final int MAX_TEXT = 8_192;

  /** What the client itself must say, or what would change what is asked for. */
  private static final Set<String> OWN_HEADERS =
      Set.of("host", "connection", "content-length", "transfer-encoding", "accept-encoding");

  private final ImmutableSortedMap<String, String> all;

  private Qualifiers(ImmutableSortedMap<String, String> all) {
    this.all = all;
  }

  /**
   * @throws IllegalArgumentException when one is unknown, malformed or given twice
   */
  public static Qualifiers parse(List<Qualifier> list) {
    TreeMap<String, String> all = new TreeMap<>();
    for (Qualifier q : list) {
      boolean known =
          q.getName().equals(CHECKSUM)
              || q.getName().equals(MIRROR_PATH)
              || OTHERS.contains(q.getName())
              || isHeader(q.getName());
      if (!known) {
        throw new IllegalArgumentException("the qualifier `" + q.getName() + "` is not known here");
      }
      if (q.getValue().length() > MAX_TEXT) {
        throw new IllegalArgumentException("the qualifier `" + q.getName() + "` is too long");
      }
      if (all.put(q.getName(), q.getValue()) != null) {
        throw new IllegalArgumentException("the qualifier `" + q.getName() + "` is given twice");
      }
    }
    Qualifiers qualifiers = new Qualifiers(ImmutableSortedMap.copyOf(all));
    // Malformed ones are refused before anything is done.
    Optional<Checksums> unused = qualifiers.checksums();
    qualifiers.headers(0);
    return qualifiers;
  }

  private static boolean isHeader(String name) {
    return name.startsWith(HEADER) || name.matches(HEADER_OF_URI + "[0-9]{1,3}:.+");
  }

  /**
   * @throws IllegalArgumentException when they are too many or too long
   */
  public static void checkUris(List<String> uris) {
    if (uris.size() > MAX_URIS) {
      throw new IllegalArgumentException("more than " + MAX_URIS + " addresses");
    }
    for (String uri : uris) {
      if (uri.isEmpty() || uri.length() > MAX_TEXT) {
        throw new IllegalArgumentException("an address is empty or too long");
      }
    }
  }

  /** Those that a pushed asset is told apart by: not what it must be, nor how to get it. */
  public ImmutableSortedMap<String, String> ofAssets() {
    return all.entrySet().stream()
        .filter(one -> OTHERS.contains(one.getKey()))
        .collect(
            ImmutableSortedMap.toImmutableSortedMap(
                String::compareTo, one -> one.getKey(), one -> one.getValue()));
  }

  Optional<Checksums> checksums() {
    return Optional.ofNullable(all.get(CHECKSUM)).map(Checksums::parse);
  }

  /** "" for none. */
  String mirrorPath() {
    String path = all.getOrDefault(MIRROR_PATH, "");
    boolean plain =
        path.isEmpty() || path.matches("[A-Za-z0-9_+~@=,.-][A-Za-z0-9_+~@=,./-]{0,500}");
    if (!plain || List.of(path.split("/", -1)).contains("..") || path.contains("//")) {
      throw new IllegalArgumentException("thresher.mirror_path is no plain relative path");
    }
    return path;
  }

  /** What is sent to one of the addresses, by lower-case name. */
  ImmutableMap<String, String> headers(int uri) {
    TreeMap<String, String> headers = new TreeMap<>();
    String ofUri = HEADER_OF_URI + uri + ":";
    all.forEach(
        (name, value) -> {
          if (name.startsWith(HEADER)) {
            headers.putIfAbsent(header(name.substring(HEADER.length()), value), value);
          } else if (name.startsWith(ofUri)) {
            headers.put(header(name.substring(ofUri.length()), value), value);
          }
        });
    return ImmutableMap.copyOf(headers);
  }

  private static String header(String name, String value) {
    boolean plain =
        name.matches("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
            && CharMatcher.inRange(' ', '~').matchesAllOf(value);
    String lower = name.toLowerCase(Locale.ROOT);
    if (!plain || OWN_HEADERS.contains(lower)) {
      throw new IllegalArgumentException("the header `" + name + "` cannot be sent");
    }
    return lower;
  }
}
