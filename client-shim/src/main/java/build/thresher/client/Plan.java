package build.thresher.client;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the Spack extension hands over: a document, the files of three trees, the sources of each
 * node.
 *
 * @param version of the plan's format; this program reads {@link #VERSION}
 * @param dag file with the document as Spack wrote it
 * @param roots DAG hashes
 */
record Plan(
    int version, String dag, List<String> roots, Trees trees, List<Node> sources, Options options) {
  static final int VERSION = 1;
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  /** The three trees that a build brings with it. */
  record Trees(List<Entry> core, List<Entry> recipes, List<Entry> configuration) {}

  /**
   * A file or directory of this machine and where it belongs in the tree.
   *
   * @param path relative, with '/'
   */
  record Entry(String path, String from) {}

  /** The sources of one node. */
  record Node(String hash, List<Source> sources) {}

  /**
   * One thing that Spack fetches.
   *
   * @param file where the bytes lie on this machine; null: the farm fetches them
   * @param unsupported why it cannot be had from a URL; null where it can
   */
  record Source(
      @Nullable String sha256,
      @Nullable List<String> urls,
      @JsonProperty("mirror_path") @Nullable String mirrorPath,
      @Nullable String file,
      @Nullable String unsupported) {}

  /** As the user gave them. */
  record Options(
      @JsonProperty("build_jobs") int buildJobs,
      @JsonProperty("fail_fast") boolean failFast,
      @JsonProperty("retry_failed") boolean retryFailed,
      boolean verbose) {}

  static Plan read(Path file) throws IOException, ClientException {
    try {
      Plan plan = JSON.readValue(Files.readAllBytes(file), Plan.class);
      if (plan.version != VERSION) {
        throw new ClientException(
            ClientException.REFUSED,
            file
                + " is a plan of version "
                + plan.version
                + ", this program reads version "
                + VERSION);
      }
      return plan;
    } catch (JsonProcessingException e) {
      throw new ClientException(
          ClientException.REFUSED, file + " is no plan: " + e.getOriginalMessage());
    }
  }
}
