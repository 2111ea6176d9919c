package build.thresher.cas.api.spack;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.io.BaseEncoding;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A concrete DAG as Spack wrote it: {@code spack spec --json}, {@code .spack/spec.json} or a {@code
 * spack.lock}.
 *
 * <p>Parsing keeps each node's own text. It refuses what no Spack writes (duplicate keys, a hash
 * given twice with different content, dangling edges, cycles), and computes each node's hash from
 * its text; whether that must equal the given hash is for the caller to say, because external nodes
 * and spliced ones differ.
 *
 * @param nodes by hash, dependencies before dependents
 * @param roots the first node of a spec document, the roots of a lock file
 * @param version {@code _meta.version} of a spec document, or the lock file's {@code
 *     specfile-version}
 */
public record SpecDocument(
    ImmutableMap<DagHash, SpecNode> nodes, ImmutableList<DagHash> roots, int version) {

  /**
   * A document with more nodes is refused. The largest environment seen in the field has about
   * 3,000.
   */
  public static final int MAX_NODES = 50_000;

  /** A larger document is refused before it is read. */
  public static final int MAX_BYTES = 64 << 20;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(64)
                  .maxStringLength(1 << 20)
                  .maxNameLength(4096)
                  .build())
          .build();

  public static SpecDocument parse(byte[] json) throws SpecFormatException {
    if (json.length > MAX_BYTES) {
      throw new SpecFormatException(
          "the document has " + json.length + " bytes; at most " + MAX_BYTES + " are read");
    }
    if (isWide(json)) {
      throw new SpecFormatException("not a JSON document that Spack wrote: it is not in UTF-8");
    }
    try (JsonParser parser = JSON.createParser(json)) {
      return new Reader(json, parser).document();
    } catch (IOException e) {
      String message = e.getMessage();
      throw new SpecFormatException(
          "not a JSON document that Spack wrote: "
              + (message == null ? e : message.lines().findFirst().orElse("")));
    }
  }

  /** UTF-16 or UTF-32, which the parser would read too, but at offsets of characters. */
  private static boolean isWide(byte[] json) {
    for (int i = 0; i < Math.min(4, json.length); i++) {
      if (json[i] == 0 || (json[i] & 0xfe) == 0xfe) {
        return true;
      }
    }
    return false;
  }

  /** The node, which must be in the document. */
  public SpecNode node(DagHash hash) {
    SpecNode node = nodes.get(hash);
    if (node == null) {
      throw new IllegalArgumentException("no node " + hash + " in this document");
    }
    return node;
  }

  /**
   * A spec document of one node and its closure, the node first as Spack wants it, every node in
   * its own text.
   *
   * @param closure dependencies first; may hold {@code root} itself
   */
  public byte[] subDocument(DagHash root, Iterable<DagHash> closure) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ascii("{\"spec\":{\"_meta\":{\"version\":" + version + "},\"nodes\":["));
    out.writeBytes(node(root).json());
    for (DagHash hash : closure) {
      if (!hash.equals(root)) {
        out.write(',');
        out.writeBytes(node(hash).json());
      }
    }
    out.writeBytes(ascii("]}}"));
    return out.toByteArray();
  }

  private static byte[] ascii(String text) {
    return text.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
  }

  /** Walks the tokens once. Nested so that half-read state never leaves this file. */
  private static final class Reader {
    private final byte[] json;
    private final JsonParser parser;
    private final Map<ImmutableSet<String>, ImmutableSet<String>> featureSets = new HashMap<>();
    private final Map<DagHash, SpecNode> found = new LinkedHashMap<>();
    private final Set<DagHash> roots = new LinkedHashSet<>();
    private int version;

    Reader(byte[] json, JsonParser parser) {
      this.json = json;
      this.parser = parser;
    }

    SpecDocument document() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "the document");
      boolean known = false;
      while (nextField()) {
        switch (parser.currentName()) {
          case "spec" -> {
            known = true;
            specBody();
          }
          case "concrete_specs" -> {
            known = true;
            concreteSpecs();
          }
          case "roots" -> lockRoots();
          case "include_concrete" -> includeConcrete();
          case "_meta" -> lockMeta();
          default -> skipValue();
        }
      }
      if (parser.nextToken() != null) {
        throw new SpecFormatException("something follows the end of the document");
      }
      if (!known) {
        throw new SpecFormatException(
            "neither `spec` (of `spack spec --json`) nor `concrete_specs` (of a spack.lock) is there");
      }
      return new SpecDocument(
          ImmutableMap.copyOf(dependenciesFirst()), ImmutableList.copyOf(roots), version);
    }

    private void specBody() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`spec`");
      while (nextField()) {
        switch (parser.currentName()) {
          case "_meta" -> specMeta();
          case "nodes" -> {
            expect(parser.nextToken(), JsonToken.START_ARRAY, "`nodes`");
            while (parser.nextToken() != JsonToken.END_ARRAY) {
              DagHash hash = node(null);
              if (roots.isEmpty()) {
                roots.add(hash);
              }
            }
          }
          default -> skipValue();
        }
      }
    }

    private void specMeta() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`_meta`");
      while (nextField()) {
        if (parser.currentName().equals("version")) {
          version = integer();
        } else {
          skipValue();
        }
      }
    }

    private void lockMeta() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`_meta`");
      while (nextField()) {
        if (parser.currentName().equals("specfile-version")) {
          version = integer();
        } else {
          skipValue();
        }
      }
    }

    private void lockRoots() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_ARRAY, "`roots`");
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        expect(parser.currentToken(), JsonToken.START_OBJECT, "an entry of `roots`");
        while (nextField()) {
          if (parser.currentName().equals("hash")) {
            roots.add(hash(string()));
          } else {
            skipValue();
          }
        }
      }
    }

    private void concreteSpecs() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`concrete_specs`");
      while (nextField()) {
        DagHash key = hash(parser.currentName());
        parser.nextToken();
        node(key);
      }
    }

    /** Environments that the lock file includes; their nodes count, their roots do not. */
    private void includeConcrete() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`include_concrete`");
      while (nextField()) {
        expect(parser.nextToken(), JsonToken.START_OBJECT, "an included environment");
        while (nextField()) {
          switch (parser.currentName()) {
            case "concrete_specs" -> concreteSpecs();
            case "include_concrete" -> includeConcrete();
            default -> skipValue();
          }
        }
      }
    }

    /** Reads the object at the current token. */
    private DagHash node(@Nullable DagHash key) throws IOException, SpecFormatException {
      expect(parser.currentToken(), JsonToken.START_OBJECT, "a node");
      NodeFields f = new NodeFields();
      ByteArrayOutputStream whole = new ByteArrayOutputStream();
      ByteArrayOutputStream hashed = new ByteArrayOutputStream();
      whole.write('{');
      hashed.write('{');
      while (nextField()) {
        int start = offset(parser.currentTokenLocation().getByteOffset());
        String field = parser.currentName();
        nodeField(field, f);
        byte[] member = compact(start, offset(parser.currentLocation().getByteOffset()));
        append(whole, member);
        if (!field.equals("hash")) {
          append(hashed, member);
        }
      }
      whole.write('}');
      hashed.write('}');
      SpecNode node = f.build(key, whole.toByteArray(), sha1(hashed.toByteArray()));
      SpecNode before = found.putIfAbsent(node.hash(), node);
      if (before != null && !java.util.Arrays.equals(before.json(), node.json())) {
        throw new SpecFormatException(
            "two different nodes have the hash " + node.hash() + " (" + node.name() + ")");
      }
      if (found.size() > MAX_NODES) {
        throw new SpecFormatException("more than " + MAX_NODES + " nodes");
      }
      return node.hash();
    }

    private void nodeField(String field, NodeFields f) throws IOException, SpecFormatException {
      switch (field) {
        case "name" -> f.name = string();
        case "version" -> f.version = string();
        case "hash" -> f.hash = hash(string());
        case "package_hash" -> f.packageHash = string();
        case "arch" -> arch(f);
        case "external" -> external(f);
        case "dependencies" -> dependencies(f);
        case "build_spec" -> buildSpec(f);
        default -> skipValue();
      }
    }

    private void arch(NodeFields f) throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`arch`");
      while (nextField()) {
        switch (parser.currentName()) {
          case "platform" -> f.platform = string();
          case "platform_os" -> f.operatingSystem = string();
          case "target" -> target(f);
          default -> skipValue();
        }
      }
    }

    /** A generic target is a string, a microarchitecture an object with a name and features. */
    private void target(NodeFields f) throws IOException, SpecFormatException {
      JsonToken token = parser.nextToken();
      if (token == JsonToken.VALUE_STRING) {
        f.target = parser.getText();
        return;
      }
      expect(token, JsonToken.START_OBJECT, "`target`");
      while (nextField()) {
        switch (parser.currentName()) {
          case "name" -> f.target = string();
          case "features" -> f.targetFeatures = features();
          default -> skipValue();
        }
      }
    }

    private ImmutableSet<String> features() throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_ARRAY, "`features`");
      ImmutableSet.Builder<String> features = ImmutableSet.builder();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        expect(parser.currentToken(), JsonToken.VALUE_STRING, "a feature");
        features.add(parser.getText());
      }
      // Nearly all nodes of a document have the same.
      return featureSets.computeIfAbsent(features.build(), same -> same);
    }

    private void external(NodeFields f) throws IOException, SpecFormatException {
      JsonToken token = parser.nextToken();
      if (token == JsonToken.VALUE_NULL) {
        return;
      }
      expect(token, JsonToken.START_OBJECT, "`external`");
      f.externalPath = "";
      while (nextField()) {
        if (parser.currentName().equals("path")) {
          String path = stringOrNull();
          f.externalPath = path == null ? "" : path;
        } else {
          skipValue();
        }
      }
    }

    private void dependencies(NodeFields f) throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_ARRAY, "`dependencies`");
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        expect(parser.currentToken(), JsonToken.START_OBJECT, "a dependency");
        String name = "";
        DagHash hash = null;
        Set<String> types = new HashSet<>();
        while (nextField()) {
          switch (parser.currentName()) {
            case "name" -> name = string();
            case "hash" -> hash = hash(string());
            case "parameters" -> deptypes(types);
            default -> skipValue();
          }
        }
        if (hash == null) {
          throw new SpecFormatException("a dependency on `" + name + "` has no hash");
        }
        f.dependencies.add(new SpecDependency(name, hash, Set.copyOf(types)));
      }
    }

    private void deptypes(Set<String> types) throws IOException, SpecFormatException {
      expect(parser.nextToken(), JsonToken.START_OBJECT, "`parameters`");
      while (nextField()) {
        if (parser.currentName().equals("deptypes")) {
          expect(parser.nextToken(), JsonToken.START_ARRAY, "`deptypes`");
          while (parser.nextToken() != JsonToken.END_ARRAY) {
            types.add(parser.getText());
          }
        } else {
          skipValue();
        }
      }
    }

    private void buildSpec(NodeFields f) throws IOException, SpecFormatException {
      JsonToken token = parser.nextToken();
      if (token == JsonToken.VALUE_NULL) {
        return;
      }
      expect(token, JsonToken.START_OBJECT, "`build_spec`");
      while (nextField()) {
        if (parser.currentName().equals("hash")) {
          f.buildSpec = hash(string());
        } else {
          skipValue();
        }
      }
    }

    /** Depth first without recursion: a chain of 50,000 nodes must not end in a stack overflow. */
    private Map<DagHash, SpecNode> dependenciesFirst() throws SpecFormatException {
      Map<DagHash, SpecNode> ordered = new LinkedHashMap<>();
      Set<DagHash> open = new LinkedHashSet<>();
      for (DagHash start : found.keySet()) {
        List<DagHash> stack = new ArrayList<>(List.of(start));
        while (!stack.isEmpty()) {
          DagHash top = stack.getLast();
          SpecNode node = existing(top, open);
          if (ordered.containsKey(top)) {
            stack.removeLast();
            continue;
          }
          if (!open.add(top)) {
            ordered.put(top, node);
            open.remove(top);
            stack.removeLast();
            continue;
          }
          for (DagHash next : successors(node)) {
            if (open.contains(next)) {
              throw new SpecFormatException(
                  "the dependencies of " + node.display() + " form a cycle through " + next);
            }
            stack.add(next);
          }
        }
      }
      for (DagHash root : roots) {
        existing(root, Set.of());
      }
      return ordered;
    }

    private SpecNode existing(DagHash hash, Set<DagHash> open) throws SpecFormatException {
      SpecNode node = found.get(hash);
      if (node == null) {
        String by = open.isEmpty() ? "a root" : "a dependency";
        throw new SpecFormatException(by + " has the hash " + hash + ", which no node has");
      }
      return node;
    }

    private List<DagHash> successors(SpecNode node) {
      List<DagHash> next = new ArrayList<>();
      for (SpecDependency d : node.dependencies()) {
        next.add(d.hash());
      }
      node.splicedFrom().ifPresent(next::add);
      return next;
    }

    /**
     * The bytes between two offsets without the white space between tokens: what Python's {@code
     * json.dumps(separators=(",", ":"))} writes, because Spack wrote the strings and numbers the
     * same way before.
     */
    private byte[] compact(int start, int end) {
      ByteArrayOutputStream out = new ByteArrayOutputStream(end - start);
      boolean inString = false;
      for (int i = start; i < end; i++) {
        byte b = json[i];
        if (inString) {
          out.write(b);
          if (b == '\\') {
            out.write(json[++i]);
          } else if (b == '"') {
            inString = false;
          }
        } else if (b != ' ' && b != '\n' && b != '\r' && b != '\t') {
          out.write(b);
          inString = b == '"';
        }
      }
      return out.toByteArray();
    }

    private static void append(ByteArrayOutputStream object, byte[] member) {
      if (object.size() > 1) {
        object.write(',');
      }
      object.writeBytes(member);
    }

    private boolean nextField() throws IOException {
      return parser.nextToken() == JsonToken.FIELD_NAME;
    }

    private void skipValue() throws IOException {
      parser.nextToken();
      parser.skipChildren();
      parser.finishToken();
    }

    private String string() throws IOException, SpecFormatException {
      String field = parser.currentName();
      expect(parser.nextToken(), JsonToken.VALUE_STRING, "`" + field + "`");
      return parser.getText();
    }

    private @Nullable String stringOrNull() throws IOException, SpecFormatException {
      String field = parser.currentName();
      JsonToken token = parser.nextToken();
      if (token == JsonToken.VALUE_NULL) {
        return null;
      }
      expect(token, JsonToken.VALUE_STRING, "`" + field + "`");
      return parser.getText();
    }

    private int integer() throws IOException, SpecFormatException {
      String field = parser.currentName();
      expect(parser.nextToken(), JsonToken.VALUE_NUMBER_INT, "`" + field + "`");
      return parser.getIntValue();
    }

    private static DagHash hash(String text) throws SpecFormatException {
      try {
        return new DagHash(text);
      } catch (IllegalArgumentException e) {
        throw new SpecFormatException(e.getMessage() == null ? "malformed hash" : e.getMessage());
      }
    }

    private void expect(@Nullable JsonToken actual, JsonToken wanted, String what)
        throws SpecFormatException {
      if (actual != wanted) {
        throw new SpecFormatException(
            what
                + " should be "
                + wanted.name().toLowerCase(Locale.ROOT).replace('_', ' ')
                + ", at byte "
                + parser.currentTokenLocation().getByteOffset());
      }
    }

    private static int offset(long byteOffset) {
      return Math.toIntExact(byteOffset);
    }

    private static DagHash sha1(byte[] bytes) {
      try {
        byte[] sha1 = MessageDigest.getInstance("SHA-1").digest(bytes);
        return new DagHash(BaseEncoding.base32().encode(sha1).toLowerCase(Locale.ROOT));
      } catch (NoSuchAlgorithmException e) {
        throw new AssertionError("every Java platform has SHA-1", e);
      }
    }
  }

  /** What was seen of a node so far. */
  private static final class NodeFields {
    @Nullable String name;
    @Nullable DagHash hash;
    String version = "";
    String platform = "";
    String operatingSystem = "";
    String target = "";
    ImmutableSet<String> targetFeatures = ImmutableSet.of();
    @Nullable String externalPath;
    @Nullable DagHash buildSpec;
    @Nullable String packageHash;
    final List<SpecDependency> dependencies = new ArrayList<>();

    SpecNode build(@Nullable DagHash key, byte[] json, DagHash contentHash)
        throws SpecFormatException {
      String name = this.name;
      DagHash hash = this.hash;
      if (name == null || name.isEmpty()) {
        throw new SpecFormatException("a node has no name");
      }
      if (hash == null) {
        throw new SpecFormatException("node `" + name + "` has no hash");
      }
      if (key != null && !key.equals(hash)) {
        throw new SpecFormatException(
            "node `" + name + "` stands under " + key + " but says it is " + hash);
      }
      return new SpecNode(
          hash,
          name,
          version,
          platform,
          operatingSystem,
          target,
          targetFeatures,
          ImmutableList.copyOf(dependencies),
          externalPath,
          buildSpec,
          packageHash,
          contentHash,
          json);
    }
  }
}
