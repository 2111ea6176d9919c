package build.thresher.cas.sources;

import build.bazel.remote.asset.v1.Qualifier;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.base.CharMatcher;
import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.ImmutableSortedSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What narrows down a fetch or a push. Those that this server does not know are refused, as the API
 * demands. Known are {@code checksum.sri}; {@code directory}, below the root of an archive; {@code
 * resource_type}, {@code vcs.branch}, {@code vcs.commit}; {@code thresher.mirror_path}, where
 * Spack's source mirrors have the file, and {@code thresher.mirror_name}, where people find it
 * there, and {@code thresher.git_*} for a commit (see {@link GitRequest}; lists have one path a
 * line); Bazel's {@code bazel.canonical_id}, {@code http_header:NAME} and {@code
 * http_header_url:INDEX:NAME}, and {@code bazel.auth_headers} of its older versions.
 */
public final class Qualifiers {
  private static final String CHECKSUM = "checksum.sri";
  private static final String MIRROR_PATH = "thresher.mirror_path";
  private static final String MIRROR_NAME = "thresher.mirror_name";
  private static final String HEADER = "http_header:";
  private static final String HEADER_OF_URI = "http_header_url:";
  private static final String AUTH_HEADERS = "bazel.auth_headers";
  private static final String RESOURCE_TYPE = "resource_type";
  private static final String DIRECTORY = "directory";
  private static final String VCS = "vcs.";
  private static final String COMMIT = VCS + "commit";
  private static final String BRANCH = VCS + "branch";
  private static final String GIT = "thresher.git_";
  private static final String SUBMODULES = GIT + "submodules";
  private static final String REMOVED = GIT + "removed";
  private static final String SPARSE = GIT + "sparse";
  private static final String FULL_HISTORY = GIT + "full_history";
  private static final Set<String> OF_GIT = Set.of(SUBMODULES, REMOVED, SPARSE, FULL_HISTORY);

  /** What tells assets of one address apart. */
  private static final Set<String> OF_ASSETS =
      Set.of(RESOURCE_TYPE, DIRECTORY, BRANCH, COMMIT, "bazel.canonical_id");

  private static final int MAX_URIS = 100;
  private static final int MAX_TEXT = 8_192;

  /** What the client itself must say, or what would change what is asked for. */
  private static final Set<String> OWN_HEADERS =
      Set.of("host", "connection", "content-length", "transfer-encoding", "accept-encoding");

  private static final ObjectMapper JSON = new ObjectMapper();

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
              || q.getName().equals(MIRROR_NAME)
              || q.getName().equals(AUTH_HEADERS)
              || OF_GIT.contains(q.getName())
              || OF_ASSETS.contains(q.getName())
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
    qualifiers.headers(0, "");
    Optional<GitRequest> unusedGit = qualifiers.git();
    String unusedPaths = qualifiers.mirrorPath() + qualifiers.mirrorName();
    if (all.containsKey(DIRECTORY) && !ArchiveTree.isPlain(qualifiers.directory())) {
      throw new IllegalArgumentException(
          "the qualifier directory is a relative path without dots and without / at its end");
    }
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
        .filter(one -> OF_ASSETS.contains(one.getKey()))
        .collect(
            ImmutableSortedMap.toImmutableSortedMap(
                String::compareTo, one -> one.getKey(), one -> one.getValue()));
  }

  /** "" for all of it. */
  String directory() {
    return all.getOrDefault(DIRECTORY, "");
  }

  /** Whether something is asked for that only a version control system has. */
  boolean isOfRepository() {
    return all.keySet().stream().anyMatch(name -> name.startsWith(VCS))
        || all.getOrDefault(RESOURCE_TYPE, "").startsWith("application/x-git");
  }

  /**
   * The commit that is wanted as a source of Spack's; other clients' questions about repositories
   * are about what was pushed.
   */
  Optional<GitRequest> git() {
    String commit = all.getOrDefault(COMMIT, "");
    return commit.isEmpty() || !all.containsKey(MIRROR_PATH)
        ? Optional.empty()
        : Optional.of(
            new GitRequest(
                commit,
                all.getOrDefault(BRANCH, ""),
                lines(SUBMODULES),
                lines(REMOVED),
                lines(SPARSE),
                all.getOrDefault(FULL_HISTORY, "").equals("true")));
  }

  private ImmutableSortedSet<String> lines(String qualifier) {
    return ImmutableSortedSet.copyOf(
        Splitter.on('\n').omitEmptyStrings().split(all.getOrDefault(qualifier, "")));
  }

  Optional<Checksums> checksums() {
    return Optional.ofNullable(all.get(CHECKSUM)).map(Checksums::parse);
  }

  /** "" for none. */
  String mirrorPath() {
    return path(MIRROR_PATH);
  }

  /** "" for none. */
  String mirrorName() {
    return path(MIRROR_NAME);
  }

  private String path(String qualifier) {
    String path = all.getOrDefault(qualifier, "");
    return path.isEmpty() ? path : new SourcePath(path).text();
  }

  /** What is sent to one of the addresses, by lower-case name. */
  ImmutableMap<String, String> headers(int index, String uri) {
    TreeMap<String, String> headers = new TreeMap<>();
    String ofUri = HEADER_OF_URI + index + ":";
    all.forEach(
        (name, value) -> {
          if (name.startsWith(HEADER)) {
            headers.putIfAbsent(header(name.substring(HEADER.length()), value), value);
          } else if (name.startsWith(ofUri)) {
            headers.put(header(name.substring(ofUri.length()), value), value);
          }
        });
    String ofBazel = all.getOrDefault(AUTH_HEADERS, "");
    if (!ofBazel.isEmpty()) {
      authHeaders(ofBazel, uri)
          .properties()
          .forEach(
              one -> {
                // Some versions say a list, of one value.
                JsonNode value = one.getValue().isArray() ? one.getValue().path(0) : one.getValue();
                headers.put(header(one.getKey(), value.asText()), value.asText());
              });
    }
    return ImmutableMap.copyOf(headers);
  }

  /** An object with the headers of each address. */
  private static JsonNode authHeaders(String json, String uri) {
    try {
      return JSON.readTree(json).path(uri);
    } catch (JsonProcessingException e) {
      // Without its cause, which shows the text: it may be secret.
      throw new IllegalArgumentException("the qualifier " + AUTH_HEADERS + " is no JSON");
    }
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
