package build.thresher.executor.spack;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Writes the spec document that Spack installs from. The nodes' texts are copied byte for byte:
 * their hashes hold for them as Spack wrote them. Stateless.
 */
final class NodeDocument {
  private NodeDocument() {}

  static void write(BlobStore store, Scope scope, SpackTask task, Path file) throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      out.write(
          ("{\"spec\":{\"_meta\":{\"version\":" + task.specVersion() + "},\"nodes\":[")
              .getBytes(StandardCharsets.US_ASCII));
      boolean first = true;
      for (Digest node : task.nodes()) {
        if (!first) {
          out.write(',');
        }
        first = false;
        out.write(store.readAll(scope, node));
      }
      out.write("]}}".getBytes(StandardCharsets.US_ASCII));
    }
  }
}
