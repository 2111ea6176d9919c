package build.thresher.client.buildcache;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A binary mirror that Spack wrote, and what is in it. Nothing that it says is verified here; that
 * is for whoever takes it.
 */
public final class Mirror implements AutoCloseable {
  static final String INDEX_MANIFEST = "v3/manifests/index/index.manifest.json";
  static final String KEYS_MANIFEST = "v3/manifests/key/keys.manifest.json";
  static final String LAYOUT = "v3/layout.json";
  static final int MAX_MANIFEST_BYTES = 1 << 20;
  static final int MAX_SPEC_FILE_BYTES = 16 << 20;

  private static final String SPECS = "v3/manifests/spec";
  private static final String LEGACY = "build_cache";
  private static final int MAX_INDEX_BYTES = 1 << 30;
  private static final Pattern MANIFEST_NAME =
      Pattern.compile(SPECS + "/([^/]+)/\\1-(.+)-([a-z2-7]{32})\\.spec\\.manifest\\.json");
  private static final Pattern SPEC_FILE =
      Pattern.compile(LEGACY + "/.+-([a-z2-7]{32})\\.spec\\.json(\\.sig)?");
  private static final ObjectMapper JSON = new ObjectMapper();

  private final MirrorFiles files;
  private final boolean legacy;

  private Mirror(MirrorFiles files, boolean legacy) {
    this.files = files;
    this.legacy = legacy;
  }

  /**
   * One spec of a mirror.
   *
   * @param title {@code name@version}, or what else is known of it, for people
   * @param path of its manifest (layout v3) or spec file (v2); of an unsigned spec file in v2
   *     perhaps, where only the index is known
   */
  public record Spec(String hash, String title, String path) {}

  /**
   * Looks at what is there and which layout it has; v3 is preferred, as Spack does.
   *
   * @param where a directory, {@code file://}, {@code http://}, {@code https://}, {@code s3://},
   *     {@code oci://} or {@code oci+http://}
   * @throws IOException when there is no mirror
   */
  public static Mirror open(String where, @Nullable String token) throws IOException {
    MirrorFiles files = files(where, token);
    try {
      if (files.read(LAYOUT, MAX_MANIFEST_BYTES).isPresent()
          || files.read(INDEX_MANIFEST, MAX_MANIFEST_BYTES).isPresent()) {
        return new Mirror(files, false);
      }
      Optional<List<String>> listed = files.list(LEGACY);
      if (listed.map(l -> !l.isEmpty()).orElse(false)
          || files.read(LEGACY + "/index.json", MAX_INDEX_BYTES).isPresent()) {
        return new Mirror(files, true);
      }
      throw new IOException(
          "there is no mirror at "
              + where
              + ": neither v3/layout.json nor v3/manifests/index nor build_cache");
    } catch (IOException e) {
      files.close();
      throw e;
    }
  }

  private static MirrorFiles files(String where, @Nullable String token) throws IOException {
    if (where.startsWith("http://") || where.startsWith("https://")) {
      return new HttpFiles(URI.create(where), HttpFiles.Authentication.bearer(token));
    }
    if (where.startsWith("s3://")) {
      return S3Files.at(where, System.getenv(), InstantSource.system());
    }
    if (where.startsWith("oci://") || where.startsWith("oci+http://")) {
      return OciFiles.at(where, System.getenv(), InstantSource.system());
    }
    if (where.matches("[a-z0-9+]+://.*") && !where.startsWith("file://")) {
      throw new IOException(
          "mirrors of this kind cannot be read: "
              + where
              + " (directories, file://, http://, https://, s3:// and oci:// can)");
    }
    Path directory =
        where.startsWith("file://") ? Path.of(URI.create(where)) : Path.of(where).toAbsolutePath();
    if (!Files.isDirectory(directory)) {
      throw new IOException("there is no directory " + directory);
    }
    return new DirectoryFiles(directory.normalize());
  }

  /** Spec files instead of manifests: written before Spack 1.0, or images in a registry. */
  public boolean isLegacy() {
    return legacy;
  }

  /** Of before Spack 1.0, which newer ones only read. */
  public boolean isOutdated() {
    return legacy && !(files instanceof OciFiles);
  }

  /** Of this machine. */
  boolean isDirectory() {
    return files instanceof DirectoryFiles;
  }

  MirrorFiles files() {
    return files;
  }

  public String name() {
    return files.name();
  }

  IOException lacks(String path) {
    return new IOException(name() + " does not have " + path);
  }

  /** Everything that the mirror has, by hash. */
  public List<Spec> specs() throws IOException {
    Map<String, Spec> found = new TreeMap<>();
    Optional<List<String>> listed = files.list(legacy ? LEGACY : SPECS);
    if (listed.isPresent()) {
      for (String path : listed.get()) {
        Spec spec = legacy ? legacySpec(path) : spec(path);
        if (spec != null) {
          found.merge(spec.hash(), spec, Mirror::signedFirst);
        }
      }
    } else {
      for (Map.Entry<String, JsonNode> install : index().properties()) {
        if (install.getValue().path("in_buildcache").asBoolean(legacy)) {
          JsonNode node = install.getValue().path("spec");
          found.put(install.getKey(), indexed(install.getKey(), node));
        }
      }
    }
    return new ArrayList<>(found.values());
  }

  private static @Nullable Spec spec(String path) {
    Matcher m = MANIFEST_NAME.matcher(path);
    return m.matches() ? new Spec(m.group(3), m.group(1) + "@" + m.group(2), path) : null;
  }

  private static @Nullable Spec legacySpec(String path) {
    Matcher m = SPEC_FILE.matcher(path);
    return m.matches() ? new Spec(m.group(1), "/" + m.group(1).substring(0, 7), path) : null;
  }

  private static Spec signedFirst(Spec a, Spec b) {
    return a.path().endsWith(".sig") ? a : b;
  }

  private Spec indexed(String hash, JsonNode node) {
    String name = node.path("name").asText();
    String version = node.path("version").asText();
    String path =
        legacy
            ? LEGACY + "/" + legacyStem(node, hash) + ".spec.json.sig"
            : "%s/%s/%s-%s-%s.spec.manifest.json".formatted(SPECS, name, name, version, hash);
    return new Spec(hash, name + "@" + version, path);
  }

  /** The nodes that the mirror's index lists. */
  private JsonNode index() throws IOException {
    String path = legacy ? LEGACY + "/index.json" : indexBlob();
    byte[] index =
        files
            .read(path, MAX_INDEX_BYTES)
            .orElseThrow(() -> new IOException(files.name() + " has no index at " + path));
    return json(index, path).path("database").path("installs");
  }

  private String indexBlob() throws IOException {
    byte[] manifest =
        files
            .read(INDEX_MANIFEST, MAX_MANIFEST_BYTES)
            .orElseThrow(
                () ->
                    new IOException(
                        files.name() + " has no index, and cannot be listed without one"));
    for (JsonNode part : json(manifest, INDEX_MANIFEST).path("data")) {
      if (part.path("mediaType").asText().equals("application/vnd.spack.db.v8+json")) {
        return blobPath(part.path("checksum").asText());
      }
    }
    throw new IOException("the index of " + files.name() + " has no version that is known here");
  }

  /** Where layout v3 keeps a blob. */
  static String blobPath(String sha256) throws IOException {
    if (!sha256.matches("[0-9a-f]{64}")) {
      throw new IOException("a manifest names a blob without a sha256 checksum");
    }
    return "blobs/sha256/" + sha256.substring(0, 2) + "/" + sha256;
  }

  /** The archive that belongs to a spec file of layout v2. */
  static String legacyArchive(JsonNode node, String hash) {
    return "%s/%s/%s/%s-%s/%s.spack"
        .formatted(
            LEGACY,
            architecture(node),
            compiler(node),
            node.path("name").asText(),
            node.path("version").asText(),
            legacyStem(node, hash));
  }

  private static String legacyStem(JsonNode node, String hash) {
    return "%s-%s-%s-%s-%s"
        .formatted(
            architecture(node),
            compiler(node),
            node.path("name").asText(),
            node.path("version").asText(),
            hash);
  }

  private static String architecture(JsonNode node) {
    JsonNode arch = node.path("arch");
    JsonNode target = arch.path("target");
    return "%s-%s-%s"
        .formatted(
            arch.path("platform").asText(),
            arch.path("platform_os").asText(),
            target.isTextual() ? target.asText() : target.path("name").asText());
  }

  private static String compiler(JsonNode node) {
    JsonNode compiler = node.path("compiler");
    return compiler.path("name").asText() + "-" + compiler.path("version").asText();
  }

  /** The JSON text of a manifest or spec file, out of its clear-signed form where it has one. */
  static String unsigned(byte[] text, String path) throws IOException {
    String all = new String(text, StandardCharsets.UTF_8);
    int begin = all.indexOf('{');
    int end = all.lastIndexOf('}');
    if (begin < 0 || end < begin) {
      throw new IOException(path + " is no manifest");
    }
    return all.substring(begin, end + 1);
  }

  /** What it says, whoever signed it. */
  static JsonNode unverified(byte[] text, String path) throws IOException {
    return json(unsigned(text, path).getBytes(StandardCharsets.UTF_8), path);
  }

  static JsonNode json(byte[] text, String path) throws IOException {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IOException(path + " is no JSON text: " + e.getOriginalMessage(), e);
    }
  }

  @Override
  public void close() {
    files.close();
  }
}
