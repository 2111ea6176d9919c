package build.thresher.testing;

import com.google.common.io.BaseEncoding;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Writes concrete DAGs as Spack does, with hashes that are true. Dependencies are added first. */
public final class Dag {
  private final Map<String, String> hashes = new LinkedHashMap<>();
  private final List<String> nodes = new ArrayList<>();
  private final String more;

  public Dag() {
    this("");
  }

  /**
   * @param more JSON members that each built node has besides, each with a comma before it
   */
  public Dag(String more) {
    this.more = more;
  }

  /**
   * An edge: {@code name} or {@code name:type,type}; all of build, link and run where none is said.
   */
  public Dag node(String name, String... edges) {
    return add(name, "", edges);
  }

  public Dag external(String name, String version, String path) {
    return add(
        name,
        ",\"external\":{\"path\":\"" + path + "\",\"module\":null,\"extra_attributes\":{}}",
        version);
  }

  private Dag add(String name, String external, String... edges) {
    StringBuilder json =
        new StringBuilder("{\"name\":\"" + name + "\",\"version\":\"")
            .append(external.isEmpty() ? "1.0" : edges[0])
            .append(
                "\",\"arch\":{\"platform\":\"linux\",\"platform_os\":\"debian12\",\"target\":\"x86_64_v3\"}")
            .append(external.isEmpty() ? more : external);
    if (external.isEmpty() && edges.length > 0) {
      List<String> written = new ArrayList<>();
      for (String edge : edges) {
        String[] parts = edge.split(":", 2);
        String types = parts.length == 1 ? "build,link,run" : parts[1];
        written.add(
            "{\"name\":\""
                + parts[0]
                + "\",\"hash\":\""
                + hash(parts[0])
                + "\",\"parameters\":{\"deptypes\":[\""
                + types.replace(",", "\",\"")
                + "\"],\"virtuals\":[]}}");
      }
      json.append(",\"dependencies\":[").append(String.join(",", written)).append("]");
    }
    String hash = sha1(json + "}");
    hashes.put(name, hash);
    nodes.add(json + ",\"hash\":\"" + hash + "\"}");
    return this;
  }

  public String hash(String name) {
    String hash = hashes.get(name);
    if (hash == null) {
      throw new IllegalArgumentException("add " + name + " first");
    }
    return hash;
  }

  public int size() {
    return nodes.size();
  }

  /** The last node added is the root, and stands first. */
  public byte[] document() {
    return ("{\"spec\":{\"_meta\":{\"version\":5},\"nodes\":["
            + String.join(",", nodes.reversed())
            + "]}}")
        .getBytes(StandardCharsets.UTF_8);
  }

  private static String sha1(String text) {
    try {
      byte[] sha1 =
          MessageDigest.getInstance("SHA-1").digest(text.getBytes(StandardCharsets.UTF_8));
      return BaseEncoding.base32().encode(sha1).toLowerCase(Locale.ROOT);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
