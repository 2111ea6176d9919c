package build.thresher.client.buildcache;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A mirror that Spack pushed to a registry: an image for each spec, under the tag {@code
 * <name>-<version>-<hash>.spack}, whose config is what a spec file of layout v2 is and whose last
 * layer is the archive. So it reads as a mirror of that layout, of unsigned specs.
 *
 * <p>Threading: any thread; calls block.
 */
final class OciFiles implements MirrorFiles {
  private static final Pattern REPOSITORY =
      Pattern.compile("oci(\\+http)?://([A-Za-z0-9.:\\[\\]-]+)/([a-z0-9][a-z0-9._/-]*[a-z0-9])/?");
  private static final Pattern TAG = Pattern.compile("[A-Za-z0-9_.-]*-([a-z2-7]{32})\\.spack");
  private static final Pattern SPEC_FILE =
      Pattern.compile("build_cache/.*-([a-z2-7]{32})\\.spec\\.json");
  private static final Pattern ARCHIVE = Pattern.compile("build_cache/.*-([a-z2-7]{32})\\.spack");
  private static final int MAX_MANIFEST_BYTES = 4 << 20;
  private static final int MAX_TAGS_BYTES = 16 << 20;
  private static final int TAGS_A_PAGE = 1000;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String name;
  private final HttpFiles repository;
  private final Map<String, String> tags = new ConcurrentHashMap<>();
  private final Map<String, Image> images = new ConcurrentHashMap<>();

  private record Image(String config, String archive, long archiveBytes) {}

  private OciFiles(String name, HttpFiles repository) {
    this.name = name;
    this.repository = repository;
  }

  /**
   * @param where {@code oci://REGISTRY/NAME}, or {@code oci+http://REGISTRY/NAME} without TLS
   */
  static OciFiles at(String where, Map<String, String> environment, InstantSource clock)
      throws IOException {
    Matcher m = REPOSITORY.matcher(where);
    if (!m.matches()) {
      throw new IOException(
          "`" + where + "` names no repository; write oci://REGISTRY/NAME without a tag");
    }
    String api = (m.group(1) == null ? "https://" : "http://") + m.group(2) + "/v2/";
    RegistryLogin login =
        new RegistryLogin(URI.create(api), m.group(3), RegistryLogin.user(environment), clock);
    return new OciFiles(where, new HttpFiles(URI.create(api + m.group(3)), login));
  }

  @Override
  public Optional<List<String>> list(String directory) throws IOException {
    if (!directory.equals("build_cache")) {
      return Optional.of(List.of());
    }
    TreeSet<String> all = new TreeSet<>();
    for (JsonNode page = page(""); all.addAll(names(page)); page = page(all.last())) {
      if (page.isEmpty()) {
        break;
      }
    }
    List<String> paths = new ArrayList<>();
    for (String tag : all) {
      Matcher m = TAG.matcher(tag);
      if (m.matches()) {
        tags.put(m.group(1), tag);
        paths.add("build_cache/" + tag.replaceFirst("\\.spack$", ".spec.json"));
      }
    }
    return Optional.of(paths);
  }

  /** Tags in the order of their letters, from one on. */
  private JsonNode page(String last) throws IOException {
    String query = "n=" + TAGS_A_PAGE + (last.isEmpty() ? "" : "&last=" + last);
    byte[] page =
        repository
            .query("tags/list", query, MAX_TAGS_BYTES)
            .orElseThrow(
                () -> new IOException(name + " is no repository, or it is not for you to read"));
    return JSON.readTree(page).path("tags");
  }

  private static List<String> names(JsonNode tags) {
    List<String> names = new ArrayList<>();
    tags.forEach(tag -> names.add(tag.asText()));
    return names;
  }

  @Override
  public Optional<byte[]> read(String path, int maxBytes) throws IOException {
    Image image = image(SPEC_FILE, path);
    return image == null ? Optional.empty() : repository.read(image.config(), maxBytes);
  }

  @Override
  public Optional<InputStream> open(String path) throws IOException {
    Image image = image(ARCHIVE, path);
    return image == null ? Optional.empty() : repository.open(image.archive());
  }

  @Override
  public OptionalLong size(String path) throws IOException {
    Image image = image(ARCHIVE, path);
    return image == null ? OptionalLong.empty() : OptionalLong.of(image.archiveBytes());
  }

  private @Nullable Image image(Pattern file, String path) throws IOException {
    Matcher m = file.matcher(path);
    String tag = m.matches() ? tags.get(m.group(1)) : null;
    if (tag == null) {
      return null;
    }
    Image known = images.get(tag);
    if (known == null) {
      known = fetched(tag);
      images.put(tag, known);
    }
    return known;
  }

  private Image fetched(String tag) throws IOException {
    byte[] manifest =
        repository
            .read("manifests/" + tag, MAX_MANIFEST_BYTES)
            .orElseThrow(() -> new IOException(name + " does not have the tag " + tag));
    JsonNode image = JSON.readTree(manifest);
    JsonNode archive = image.path("layers").path(image.path("layers").size() - 1);
    return new Image(blob(image.path("config"), tag), blob(archive, tag), size(archive, tag));
  }

  private static long size(JsonNode descriptor, String tag) throws IOException {
    long size = descriptor.path("size").asLong(-1);
    if (size < 0) {
      throw new IOException("the image " + tag + " names a blob without a length");
    }
    return size;
  }

  private static String blob(JsonNode descriptor, String tag) throws IOException {
    String digest = descriptor.path("digest").asText();
    if (!digest.matches("sha256:[0-9a-f]{64}")) {
      throw new IOException("the image " + tag + " names a blob without a sha256 digest");
    }
    return "blobs/" + digest;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public void close() {
    repository.close();
  }
}
