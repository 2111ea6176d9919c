package build.thresher.executor.spack;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import com.google.common.collect.Lists;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes the spec document that Spack installs from. The nodes' texts are copied byte for byte:
 * their hashes hold for them as Spack wrote them. Stateless.
 */
final class NodeDocument {
  private static final int BATCH = 200;

  private NodeDocument() {}

  static void write(BlobStore store, Scope scope, SpackTask task, Path file) throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      out.write(
          ("{\"spec\":{\"_meta\":{\"version\":" + task.specVersion() + "},\"nodes\":[")
              .getBytes(StandardCharsets.US_ASCII));
      boolean first = true;
      for (List<Digest> batch : Lists.partition(task.nodes(), BATCH)) {
        Map<Digest, byte[]> texts = new HashMap<>();
        store
            .readAll(scope, batch.stream().distinct().toList())
            .forEach(b -> texts.put(b.digest(), b.bytes()));
        for (Digest node : batch) {
          byte[] text = texts.get(node);
          if (text == null) {
            throw new BlobNotFoundException(node);
          }
          if (!first) {
            out.write(',');
          }
          first = false;
          out.write(text);
        }
      }
      out.write("]}}".getBytes(StandardCharsets.US_ASCII));
    }
  }
}
