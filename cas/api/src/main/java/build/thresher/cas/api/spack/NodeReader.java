package build.thresher.cas.api.spack;

import com.fasterxml.jackson.core.JsonToken;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.io.BaseEncoding;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads nodes of a document: what the farm has to know of each, its text, and the hash that its
 * text gives.
 */
final class NodeReader {
  private final JsonTokens tokens;
  private final Map<ImmutableSet<String>, ImmutableSet<String>> featureSets = new HashMap<>();

  NodeReader(JsonTokens tokens) {
    this.tokens = tokens;
  }

  /**
   * Reads the object at the token at hand.
   *
   * @param key that it stands under, where it stands under one
   */
  SpecNode read(@Nullable DagHash key) throws IOException, SpecFormatException {
    tokens.expect(tokens.current(), JsonToken.START_OBJECT, "a node");
    NodeFields f = new NodeFields();
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    ByteArrayOutputStream hashed = new ByteArrayOutputStream();
    whole.write('{');
    hashed.write('{');
    while (tokens.nextField()) {
      int start = tokens.start();
      String field = tokens.field();
      nodeField(field, f);
      byte[] member = tokens.compact(start, tokens.end());
      append(whole, member);
      if (!field.equals("hash")) {
        append(hashed, member);
      }
    }
    whole.write('}');
    hashed.write('}');
    return f.build(key, whole.toByteArray(), sha1(hashed.toByteArray()));
  }

  private void nodeField(String field, NodeFields f) throws IOException, SpecFormatException {
    switch (field) {
      case "name" -> f.name = tokens.string();
      case "version" -> f.version = tokens.string();
      case "hash" -> f.hash = JsonTokens.hash(tokens.string());
      case "package_hash" -> f.packageHash = tokens.string();
      case "arch" -> arch(f);
      case "external" -> external(f);
      case "dependencies" -> dependencies(f);
      case "build_spec" -> buildSpec(f);
      default -> tokens.skipValue();
    }
  }

  private void arch(NodeFields f) throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`arch`");
    while (tokens.nextField()) {
      switch (tokens.field()) {
        case "platform" -> f.platform = tokens.string();
        case "platform_os" -> f.operatingSystem = tokens.string();
        case "target" -> target(f);
        default -> tokens.skipValue();
      }
    }
  }

  /** A generic target is a string, a microarchitecture an object with a name and features. */
  private void target(NodeFields f) throws IOException, SpecFormatException {
    JsonToken token = tokens.next();
    if (token == JsonToken.VALUE_STRING) {
      f.target = tokens.text();
      return;
    }
    tokens.expect(token, JsonToken.START_OBJECT, "`target`");
    while (tokens.nextField()) {
      switch (tokens.field()) {
        case "name" -> f.target = tokens.string();
        case "features" -> f.targetFeatures = features();
        default -> tokens.skipValue();
      }
    }
  }

  private ImmutableSet<String> features() throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_ARRAY, "`features`");
    ImmutableSet.Builder<String> features = ImmutableSet.builder();
    while (tokens.next() != JsonToken.END_ARRAY) {
      tokens.expect(tokens.current(), JsonToken.VALUE_STRING, "a feature");
      features.add(tokens.text());
    }
    // Nearly all nodes of a document have the same.
    return featureSets.computeIfAbsent(features.build(), same -> same);
  }

  private void external(NodeFields f) throws IOException, SpecFormatException {
    JsonToken token = tokens.next();
    if (token == JsonToken.VALUE_NULL) {
      return;
    }
    tokens.expect(token, JsonToken.START_OBJECT, "`external`");
    f.externalPath = "";
    while (tokens.nextField()) {
      if (tokens.field().equals("path")) {
        String path = tokens.stringOrNull();
        f.externalPath = path == null ? "" : path;
      } else {
        tokens.skipValue();
      }
    }
  }

  private void dependencies(NodeFields f) throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_ARRAY, "`dependencies`");
    while (tokens.next() != JsonToken.END_ARRAY) {
      tokens.expect(tokens.current(), JsonToken.START_OBJECT, "a dependency");
      String name = "";
      DagHash hash = null;
      Set<String> types = new HashSet<>();
      while (tokens.nextField()) {
        switch (tokens.field()) {
          case "name" -> name = tokens.string();
          case "hash" -> hash = JsonTokens.hash(tokens.string());
          case "parameters" -> deptypes(types);
          default -> tokens.skipValue();
        }
      }
      if (hash == null) {
        throw new SpecFormatException("a dependency on `" + name + "` has no hash");
      }
      f.dependencies.add(new SpecDependency(name, hash, Set.copyOf(types)));
    }
  }

  private void deptypes(Set<String> types) throws IOException, SpecFormatException {
    tokens.expect(tokens.next(), JsonToken.START_OBJECT, "`parameters`");
    while (tokens.nextField()) {
      if (tokens.field().equals("deptypes")) {
        tokens.expect(tokens.next(), JsonToken.START_ARRAY, "`deptypes`");
        while (tokens.next() != JsonToken.END_ARRAY) {
          types.add(tokens.text());
        }
      } else {
        tokens.skipValue();
      }
    }
  }

  private void buildSpec(NodeFields f) throws IOException, SpecFormatException {
    JsonToken token = tokens.next();
    if (token == JsonToken.VALUE_NULL) {
      return;
    }
    tokens.expect(token, JsonToken.START_OBJECT, "`build_spec`");
    while (tokens.nextField()) {
      if (tokens.field().equals("hash")) {
        f.buildSpec = JsonTokens.hash(tokens.string());
      } else {
        tokens.skipValue();
      }
    }
  }

  private static void append(ByteArrayOutputStream object, byte[] member) {
    if (object.size() > 1) {
      object.write(',');
    }
    object.writeBytes(member);
  }

  private static DagHash sha1(byte[] bytes) {
    try {
      byte[] sha1 = MessageDigest.getInstance("SHA-1").digest(bytes);
      return new DagHash(BaseEncoding.base32().encode(sha1).toLowerCase(Locale.ROOT));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-1", e);
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
