package build.thresher.client;

import build.thresher.cas.api.spack.DagHash;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * What the Spack extension hands over: a document, the files of three trees, the sources of each
 * node. A plan that exists is well formed: nothing is missing, hashes are hashes, paths stay below
 * where they belong.
 *
 * @param version of the plan's format; this program reads {@link #VERSION}
 * @param dag file with the document as Spack wrote it
 * @param roots DAG hashes
 */
record Plan(
    int version, String dag, List<String> roots, Trees trees, List<Node> sources, Options options) {
  static final int VERSION = 1;

  /** An environment of 3,000 nodes makes a plan of about 3 MiB. */
  private static final int MAX_BYTES = 64 << 20;

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  Plan {
    required(dag, "dag");
    roots = all(roots, "roots");
    roots.forEach(DagHash::new);
    required(trees, "trees");
    sources = all(sources, "sources");
    required(options, "options");
  }

  /** What is fetched for a DAG, without the rest of a plan. */
  record SourcesAlone(int version, List<Node> sources) {
    SourcesAlone {
      sources = all(sources, "sources");
    }
  }

  /** The three trees that a build brings with it. */
  record Trees(List<Entry> core, List<Entry> recipes, List<Entry> configuration) {
    Trees {
      core = all(core, "core");
      recipes = all(recipes, "recipes");
      configuration = all(configuration, "configuration");
    }
  }

  /**
   * A file or directory of this machine and where it belongs in the tree.
   *
   * @param path relative, with '/'
   */
  record Entry(String path, String from) {
    Entry {
      relative(required(path, "path"));
      required(from, "from");
    }
  }

  /** The sources of one node. */
  record Node(String hash, List<Source> sources) {
    Node {
      DagHash checked = new DagHash(required(hash, "hash"));
      hash = checked.text();
      sources = all(sources, "sources");
    }
  }

  /**
   * One thing that Spack fetches.
   *
   * @param name a readable path below a source mirror; null for none
   * @param git a commit, of which the farm makes an archive; null for what has a checksum
   * @param file where the bytes lie on this machine; null: the farm fetches them
   * @param unsupported why it cannot be had from a URL; null where it can
   */
  record Source(
      @Nullable String sha256,
      @Nullable List<String> urls,
      @JsonProperty("mirror_path") @Nullable String mirrorPath,
      @Nullable String name,
      @Nullable Git git,
      @Nullable String file,
      @Nullable String unsupported) {
    Source {
      if (sha256 == null && unsupported == null && git == null) {
        throw new IllegalArgumentException(
            "a source has neither `sha256` nor `git` nor `unsupported`");
      }
      if (sha256 != null && !sha256.matches("[0-9a-f]{64}")) {
        throw new IllegalArgumentException("a source's sha256 is not 64 lower-case hex digits");
      }
      if (mirrorPath != null) {
        relative(mirrorPath);
      }
      if (name != null) {
        relative(name);
      }
      urls = urls == null ? List.of() : all(urls, "urls");
    }
  }

  /**
   * A commit of a repository, and what is wanted of it.
   *
   * @param ref branch or tag that has it; may be empty
   */
  record Git(
      String url,
      String commit,
      String ref,
      @JsonProperty("all_submodules") boolean allSubmodules,
      List<String> submodules,
      @JsonProperty("removed_submodules") List<String> removedSubmodules,
      @JsonProperty("sparse_paths") List<String> sparsePaths,
      @JsonProperty("full_history") boolean fullHistory) {
    Git {
      required(url, "url");
      if (!required(commit, "commit").matches("[0-9a-f]{40}")) {
        throw new IllegalArgumentException("a commit is not 40 lower-case hex digits");
      }
      required(ref, "ref");
      submodules = all(submodules, "submodules");
      removedSubmodules = all(removedSubmodules, "removed_submodules");
      sparsePaths = all(sparsePaths, "sparse_paths");
    }
  }

  /** As the user gave them. */
  record Options(
      @JsonProperty("build_jobs") int buildJobs,
      @JsonProperty("fail_fast") boolean failFast,
      @JsonProperty("retry_failed") boolean retryFailed,
      boolean verbose) {
    Options {
      if (buildJobs < 0) {
        throw new IllegalArgumentException("`build_jobs` is " + buildJobs + ", less than 0");
      }
    }
  }

  static Plan read(Path file) throws IOException, ClientException {
    return read(file, Plan.class, Plan::version, "plan that `spack farm install`");
  }

  static SourcesAlone readSources(Path file) throws IOException, ClientException {
    return read(file, SourcesAlone.class, SourcesAlone::version, "list that `spack farm sources`");
  }

  private static <T> T read(Path file, Class<T> type, ToIntFunction<T> version, String what)
      throws IOException, ClientException {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] text = in.readNBytes(MAX_BYTES + 1);
      if (text.length > MAX_BYTES) {
        throw refused(file, what, "it has more than the " + MAX_BYTES + " bytes that are read");
      }
      T read = JSON.readValue(text, type);
      if (read == null) {
        throw refused(file, what, "it is null");
      }
      if (version.applyAsInt(read) != VERSION) {
        throw refused(
            file,
            what,
            "its version is "
                + version.applyAsInt(read)
                + ", this program reads version "
                + VERSION
                + "; let program and Spack extension come from the same Thresher");
      }
      return read;
    } catch (JsonProcessingException e) {
      throw refused(file, what, e.getOriginalMessage());
    }
  }

  private static ClientException refused(Path file, String what, String why) {
    return new ClientException(
        ClientException.REFUSED, file + " is no " + what + " wrote: " + Text.clean(why));
  }

  private static <T> T required(@Nullable T value, String name) {
    if (value == null) {
      throw new IllegalArgumentException("`" + name + "` is missing");
    }
    return value;
  }

  private static <T> List<T> all(@Nullable List<T> list, String name) {
    for (T element : required(list, name)) {
      required(element, "an element of " + name);
    }
    return List.copyOf(required(list, name));
  }

  private static void relative(String path) {
    for (String name : path.split("/", -1)) {
      if (name.isEmpty() || name.equals(".") || name.equals("..") || name.indexOf(0) >= 0) {
        throw new IllegalArgumentException("`" + path + "` is not a plain relative path");
      }
    }
  }
}
