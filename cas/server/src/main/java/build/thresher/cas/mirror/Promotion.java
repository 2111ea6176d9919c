package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.PushedSpecs.Outcome;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes in one instance what another one has: review builds become develop, develop becomes
 * release. Only manifests are made, signed with the key of the instance that takes them; the blobs
 * were checked when they first came in, and are stored once. What a spec needs comes before it.
 *
 * <p>Threading: any thread; calls block.
 */
public final class Promotion {
  private static final Logger LOG = LoggerFactory.getLogger(Promotion.class);

  private final RocksSpackMirror mirror;

  public Promotion(RocksSpackMirror mirror) {
    this.mirror = mirror;
  }

  /**
   * @param served what the instance serves under that hash now
   */
  public record Promoted(Outcome outcome, PublishedSpec served) {}

  /**
   * @param specs as {@link SpecSelector} reads them
   * @param builtWith what they were built with, too
   * @throws NoSuchElementException when a spec means nothing that the first instance has
   * @throws ArchiveRefusedException when the other instance takes only what is built for its root
   */
  public void promote(
      String from, String to, List<String> specs, boolean builtWith, Consumer<Promoted> each)
      throws ArchiveRefusedException, IOException {
    InstanceMirror source = mirror.require(from);
    mirror.require(to);
    if (from.equals(to)) {
      throw new IllegalArgumentException("`" + from + "` is both instances");
    }
    Closure closure = Closure.lazily(from, mirror.db());
    Set<DagHash> meant = new HashSet<>();
    for (String text : specs) {
      meant.addAll(meant(source, from, text));
    }
    Set<DagHash> all = closure.of(meant, builtWith);
    List<DagHash> order = Lists.reverse(closure.dependentsFirst(all));
    List<PublishedRecord> records = new ArrayList<>();
    for (DagHash hash : order) {
      PublishedRecord record = mirror.db().find(from, hash);
      if (record != null) {
        requireRoot(to, record);
        records.add(record);
      }
    }
    for (PublishedRecord record : records) {
      each.accept(promote(from, to, record, closure));
    }
    LOG.info("promoted {} specs from `{}` to `{}`", records.size(), from, to);
  }

  private static List<DagHash> meant(InstanceMirror source, String from, String text) {
    List<DagHash> found =
        source.matching(SpecSelector.parse(text)).stream().map(PublishedSpec::hash).toList();
    if (found.isEmpty()) {
      throw new NoSuchElementException("`%s` has nothing that is `%s`".formatted(from, text));
    }
    return found;
  }

  private void requireRoot(String to, PublishedRecord record) throws ArchiveRefusedException {
    String root = mirror.options().installRoots().get(to);
    if (root != null && !root.equals(record.installRoot())) {
      throw new ArchiveRefusedException(
          "%s was built for the install root %s, but the root of instance `%s` is %s; nothing was promoted"
              .formatted(RocksSpackMirror.display(record.spec()), record.installRoot(), to, root));
    }
  }

  private Promoted promote(String from, String to, PublishedRecord record, Closure closure)
      throws IOException {
    DagHash hash = record.spec().hash();
    mirror.requireBlobs(from, record.spec());
    boolean wasThere = mirror.whole(to, hash).isPresent();
    PublishedSpec served =
        mirror.adopt(to, promoted(from, record), from, closure.of(Set.of(hash), true));
    if (!served.archive().equals(record.spec().archive())) {
      return new Promoted(Outcome.DIFFERENT, served);
    }
    return new Promoted(wasThere ? Outcome.IDENTICAL : Outcome.PUBLISHED, served);
  }

  private PublishedRecord promoted(String from, PublishedRecord record) {
    ImmutableMap<String, String> provenance =
        ImmutableMap.<String, String>builder()
            .putAll(record.provenance())
            .put("promoted from", from)
            .buildKeepingLast();
    return new PublishedRecord(
        record.spec(),
        record.archiveMediaType(),
        record.specMediaType(),
        record.installRoot(),
        provenance,
        mirror.clock().instant(),
        "");
  }
}
