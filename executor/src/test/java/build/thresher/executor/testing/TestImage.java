package build.thresher.executor.testing;

import build.thresher.cas.api.Digest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.apache.commons.compress.compressors.zstandard.ZstdCompressorOutputStream;

/** A container image as registries store it, made by hand. */
public final class TestImage {
  private final List<Digest> layers = new ArrayList<>();
  private final Map<Digest, byte[]> blobs = new LinkedHashMap<>();

  /** One layer in the making. */
  public static final class Layer {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final TarArchiveOutputStream tar = new TarArchiveOutputStream(bytes, "UTF-8");

    public Layer() {
      tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
    }

    public Layer file(String name, String content) throws IOException {
      return file(name, content.getBytes(StandardCharsets.UTF_8), 0644);
    }

    public Layer file(String name, byte[] content, int mode) throws IOException {
      TarArchiveEntry entry = new TarArchiveEntry(name, TarConstants.LF_NORMAL, true);
      entry.setSize(content.length);
      entry.setMode(mode);
      return put(entry, content);
    }

    public Layer directory(String name) throws IOException {
      return put(new TarArchiveEntry(name + "/", TarConstants.LF_DIR, true), new byte[0]);
    }

    public Layer link(String name, String target) throws IOException {
      TarArchiveEntry entry = new TarArchiveEntry(name, TarConstants.LF_SYMLINK, true);
      entry.setLinkName(target);
      return put(entry, new byte[0]);
    }

    public Layer hardLink(String name, String target) throws IOException {
      TarArchiveEntry entry = new TarArchiveEntry(name, TarConstants.LF_LINK, true);
      entry.setLinkName(target);
      return put(entry, new byte[0]);
    }

    public Layer device(String name) throws IOException {
      return put(new TarArchiveEntry(name, TarConstants.LF_CHR, true), new byte[0]);
    }

    private Layer put(TarArchiveEntry entry, byte[] content) throws IOException {
      tar.putArchiveEntry(entry);
      tar.write(content);
      tar.closeArchiveEntry();
      return this;
    }

    /** The host's shell, with the libraries that it needs. */
    public Layer shell() throws Exception {
      Process ldd = new ProcessBuilder("ldd", "/bin/sh").start();
      String text = new String(ldd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      file("bin/sh", Files.readAllBytes(Path.of("/bin/sh")), 0755);
      for (String word : text.split("\\s+", -1)) {
        if (word.startsWith("/")) {
          file(word.substring(1), Files.readAllBytes(Path.of(word)), 0755);
        }
      }
      return this;
    }

    public byte[] tar() throws IOException {
      tar.close();
      return bytes.toByteArray();
    }
  }

  /** Adds a layer, compressed with gzip. */
  public TestImage gzip(Layer layer) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(bytes)) {
      out.write(layer.tar());
    }
    return add(bytes.toByteArray());
  }

  /** Adds a layer, compressed with zstd. */
  public TestImage zstd(Layer layer) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream out = new ZstdCompressorOutputStream(bytes)) {
      out.write(layer.tar());
    }
    return add(bytes.toByteArray());
  }

  /** Adds a layer as it is. */
  public TestImage add(byte[] layer) {
    Digest digest = Digest.of(layer);
    layers.add(digest);
    blobs.put(digest, layer);
    return this;
  }

  /** Layers and configuration. */
  public Map<Digest, byte[]> blobs() {
    Map<Digest, byte[]> all = new LinkedHashMap<>(blobs);
    all.put(Digest.of(config()), config());
    return all;
  }

  private static byte[] config() {
    return "{\"architecture\":\"amd64\",\"os\":\"linux\"}".getBytes(StandardCharsets.UTF_8);
  }

  public byte[] manifest() {
    String text =
        """
        {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
         "config":%s,"layers":[%s]}
        """
            .formatted(
                descriptor("application/vnd.oci.image.config.v1+json", Digest.of(config()), ""),
                layers.stream()
                    .map(d -> descriptor("application/vnd.oci.image.layer.v1.tar+gzip", d, ""))
                    .collect(Collectors.joining(",")));
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** An index that names this image for both processors that there are tests on, and another. */
  public byte[] index() {
    String type = "application/vnd.oci.image.manifest.v1+json";
    Digest own = Digest.of(manifest());
    String text =
        """
        {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,%s,%s]}
        """
            .formatted(
                descriptor(
                    type,
                    Digest.EMPTY,
                    ",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}"),
                descriptor(
                    type, own, ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}"),
                descriptor(
                    type, own, ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}"));
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String descriptor(String type, Digest digest, String more) {
    return "{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%d%s}"
        .formatted(type, digest.hex(), digest.sizeBytes(), more);
  }
}
