package build.thresher.scheduler.spack;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpecDocument;
import build.thresher.cas.api.spack.SpecFormatException;
import build.thresher.cas.api.spack.SpecNode;
import build.thresher.scheduler.wire.Wire;
import build.thresher.v1.NodeSources;
import build.thresher.v1.Source;
import build.thresher.v1.SourceList;
import com.google.common.cache.Cache;
import com.google.common.cache.CacheBuilder;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parsed documents and source lists, by the digest of the blob that they were read from. They stay
 * as long as there is memory; what was dropped is read and parsed again. Any thread.
 */
public final class Documents {
  private static final int MAX_SOURCES_BYTES = 64 << 20;

  private final BlobStore blobs;
  private final Cache<Digest, Parsed> documents = cache();
  private final Cache<Digest, ImmutableMap<String, ImmutableList<Source>>> sources = cache();

  public Documents(BlobStore blobs) {
    this.blobs = blobs;
  }

  private static <V> Cache<Digest, V> cache() {
    return CacheBuilder.newBuilder().softValues().maximumSize(64).build();
  }

  /**
   * A document and what its nodes lead to.
   *
   * @param texts names of the nodes' texts, in the document's order
   */
  public record Parsed(SpecDocument document, Closures closures, ImmutableList<Digest> texts) {

    /** The names of these nodes' texts, and of those of all that they lead to. */
    public ImmutableList<Digest> textsBelow(Collection<String> hashes) {
      List<SpecNode> from = hashes.stream().map(hash -> document.node(new DagHash(hash))).toList();
      return closures.reachable(from).stream()
          .map(node -> texts.get(closures.number(node.hash())))
          .collect(ImmutableList.toImmutableList());
    }

    /** The names of these nodes' texts, one after the other, as a lease carries them. */
    ByteString packedTexts(int[] numbers) {
      ByteBuffer packed = ByteBuffer.allocate(numbers.length * (Digest.HASH_BYTES + Integer.BYTES));
      for (int number : numbers) {
        Digest text = texts.get(number);
        packed.putLong(text.hash0()).putLong(text.hash1()).putLong(text.hash2());
        packed.putLong(text.hash3()).putInt((int) text.sizeBytes());
      }
      return UnsafeByteOperations.unsafeWrap(packed.flip());
    }
  }

  /** The document in this blob. */
  public Parsed document(Scope scope, Digest digest) throws IOException, SpecFormatException {
    Parsed known = documents.getIfPresent(digest);
    if (known != null) {
      return known;
    }
    if (digest.sizeBytes() > SpecDocument.MAX_BYTES) {
      throw new SpecFormatException(
          "the document has "
              + digest.sizeBytes()
              + " bytes; at most "
              + SpecDocument.MAX_BYTES
              + " are read");
    }
    Parsed parsed = parsed(SpecDocument.parse(blobs.readAll(scope, digest)));
    documents.put(digest, parsed);
    return parsed;
  }

  /** Computed once: every lease names all that its node leads to. */
  private static Parsed parsed(SpecDocument document) {
    ImmutableList<Digest> texts =
        document.nodes().values().stream()
            .map(node -> Digest.of(node.json()))
            .collect(ImmutableList.toImmutableList());
    return new Parsed(document, new Closures(document), texts);
  }

  /** Which sources of these nodes clients brought themselves. */
  public ImmutableSet<Digest> uploaded(Scope scope, Digest list, Collection<String> hashes)
      throws IOException, SpecFormatException {
    ImmutableMap<String, ImmutableList<Source>> known = sources(scope, list);
    return hashes.stream()
        .flatMap(hash -> known.getOrDefault(hash, ImmutableList.of()).stream())
        .filter(Source::hasDigest)
        .map(source -> Wire.digest(source.getDigest()))
        .collect(ImmutableSet.toImmutableSet());
  }

  /** The source list in this blob, by DAG hash. */
  public ImmutableMap<String, ImmutableList<Source>> sources(Scope scope, Digest digest)
      throws IOException, SpecFormatException {
    ImmutableMap<String, ImmutableList<Source>> known = sources.getIfPresent(digest);
    if (known != null) {
      return known;
    }
    if (digest.sizeBytes() > MAX_SOURCES_BYTES) {
      throw new SpecFormatException(
          "the source list has "
              + digest.sizeBytes()
              + " bytes; at most "
              + MAX_SOURCES_BYTES
              + " are read");
    }
    try {
      Map<String, ImmutableList<Source>> byNode = new LinkedHashMap<>();
      for (NodeSources node : SourceList.parseFrom(blobs.readAll(scope, digest)).getNodesList()) {
        if (byNode.put(node.getHash(), ImmutableList.copyOf(node.getSourcesList())) != null) {
          throw new SpecFormatException("the source list names " + node.getHash() + " twice");
        }
      }
      ImmutableMap<String, ImmutableList<Source>> parsed = ImmutableMap.copyOf(byNode);
      sources.put(digest, parsed);
      return parsed;
    } catch (InvalidProtocolBufferException e) {
      throw new SpecFormatException("the source list is not a thresher.v1.SourceList");
    }
  }
}
