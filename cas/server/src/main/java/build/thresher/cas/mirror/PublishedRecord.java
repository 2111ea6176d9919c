package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.ImmutableMap;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * All that is kept of a published spec. The bytes are self-contained and begin with a format
 * number.
 *
 * @param manifest the clear-signed text
 * @param provenance who and what made it, so that any of them can be revoked
 */
record PublishedRecord(
    PublishedSpec spec,
    String archiveMediaType,
    String specMediaType,
    String installRoot,
    ImmutableMap<String, String> provenance,
    Instant publishedAt,
    String manifest) {
  private static final int FORMAT = 1;

  /** What the manifest says, before it is signed. */
  static Manifest unsigned(PublishedSpec spec, String archiveMediaType, String specMediaType) {
    return new Manifest(
        List.of(
            new Manifest.Part(spec.archive(), archiveMediaType, "gzip"),
            new Manifest.Part(spec.spec(), specMediaType, "gzip")));
  }

  /** The same with a manifest that this signer signs now. */
  PublishedRecord signedBy(Signer signer) throws IOException {
    String text = unsigned(spec, archiveMediaType, specMediaType).json();
    return new PublishedRecord(
        spec,
        archiveMediaType,
        specMediaType,
        installRoot,
        provenance,
        publishedAt,
        signer.clearSign(text));
  }

  byte[] toBytes() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeByte(FORMAT);
      out.writeUTF(spec.hash().text());
      out.writeUTF(spec.name());
      out.writeUTF(spec.version());
      write(out, spec.archive());
      write(out, spec.spec());
      out.writeUTF(spec.prefix());
      out.writeUTF(archiveMediaType);
      out.writeUTF(specMediaType);
      out.writeUTF(installRoot);
      out.writeLong(publishedAt.toEpochMilli());
      out.writeInt(provenance.size());
      for (Map.Entry<String, String> e : provenance.entrySet()) {
        out.writeUTF(e.getKey());
        out.writeUTF(e.getValue());
      }
      byte[] text = manifest.getBytes(StandardCharsets.UTF_8);
      out.writeInt(text.length);
      out.write(text);
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
    return bytes.toByteArray();
  }

  static PublishedRecord fromBytes(byte[] bytes) throws IOException {
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      int format = in.readByte();
      if (format != FORMAT) {
        throw new IOException(
            "a published spec is stored in format "
                + format
                + ", which this version does not know; start the version that wrote it");
      }
      DagHash hash = new DagHash(in.readUTF());
      String name = in.readUTF();
      String version = in.readUTF();
      Digest archive = readDigest(in);
      Digest spec = readDigest(in);
      PublishedSpec published = new PublishedSpec(hash, name, version, archive, spec, in.readUTF());
      String archiveMediaType = in.readUTF();
      String specMediaType = in.readUTF();
      String installRoot = in.readUTF();
      Instant publishedAt = Instant.ofEpochMilli(in.readLong());
      ImmutableMap.Builder<String, String> provenance = ImmutableMap.builder();
      for (int n = in.readInt(); n > 0; n--) {
        provenance.put(in.readUTF(), in.readUTF());
      }
      byte[] text = in.readNBytes(in.readInt());
      return new PublishedRecord(
          published,
          archiveMediaType,
          specMediaType,
          installRoot,
          provenance.buildOrThrow(),
          publishedAt,
          new String(text, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      throw new IOException("a published spec is stored damaged: " + e.getMessage(), e);
    }
  }

  private static void write(DataOutputStream out, Digest digest) throws IOException {
    out.write(digest.hashBytes());
    out.writeLong(digest.sizeBytes());
  }

  private static Digest readDigest(DataInputStream in) throws IOException {
    return Digest.fromHash(in.readNBytes(Digest.HASH_BYTES), in.readLong());
  }
}
