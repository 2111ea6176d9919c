package build.thresher.cas.mirror;

import build.thresher.cas.api.Blob;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.client.Parallel;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.Publishing.Checked;
import com.google.common.base.Throwables;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Takes specs that somebody else built, from another mirror or from Spack itself, into instances
 * that are meant for them. The blobs are in the store already; the signature must count, the
 * archive and the spec must hold to the rules that the farm's own results hold to, and what is
 * served is signed with the instance's key.
 *
 * <p>Threading: any thread; calls block. Specs that come together are checked side by side and
 * become visible together.
 */
public final class PushedSpecs {
  private static final int AT_ONCE = Runtime.getRuntime().availableProcessors();

  private final RocksSpackMirror mirror;
  private final BlobStore blobs;
  private final MirrorOptions options;

  public PushedSpecs(RocksSpackMirror mirror, BlobStore blobs, MirrorOptions options) {
    this.mirror = mirror;
    this.blobs = blobs;
    this.options = options;
  }

  /** What another mirror says of a spec. */
  public sealed interface Description {}

  /**
   * As layout v3 says it.
   *
   * @param text of {@code <name>-<version>-<hash>.spec.manifest.json}, clear-signed or not
   * @param hash the DAG hash under whose name it stands; "" where nobody looked
   */
  public record ManifestText(String text, String hash) implements Description {
    public ManifestText(String text) {
      this(text, "");
    }
  }

  /**
   * As layout v2 says it.
   *
   * @param text of {@code ….spec.json.sig} or {@code ….spec.json}
   * @param archive the {@code .spack} file, which the spec file's checksum must name
   */
  public record SpecFile(String text, Digest archive) implements Description {}

  /** What became of a spec. */
  public enum Outcome {
    PUBLISHED,
    /** The instance had just this. */
    IDENTICAL,
    /** The instance has another archive for this hash, and keeps it. */
    DIFFERENT
  }

  /** What became of one of many. */
  public sealed interface Result {
    /**
     * @throws BadSignatureException when nobody who is trusted signed it
     * @throws ArchiveRefusedException when a rule is broken; nothing became visible
     * @throws BlobNotFoundException when a blob that it names is not in the store
     */
    Taken get() throws BadSignatureException, ArchiveRefusedException, IOException;
  }

  /**
   * @param served what the instance serves under that hash now
   */
  public record Taken(Outcome outcome, PublishedSpec served) implements Result {
    @Override
    public Taken get() {
      return this;
    }
  }

  /**
   * @param why one of the exceptions of {@link Result#get}
   */
  record Refused(Exception why) implements Result {
    @Override
    public Taken get() throws BadSignatureException, ArchiveRefusedException, IOException {
      Throwables.throwIfInstanceOf(why, BadSignatureException.class);
      Throwables.throwIfInstanceOf(why, ArchiveRefusedException.class);
      Throwables.throwIfInstanceOf(why, IOException.class);
      Throwables.throwIfUnchecked(why);
      throw new IllegalStateException(why);
    }
  }

  /** As {@link #takeAll} with one spec, and {@link Result#get}. */
  public Taken take(String instance, Description said, String source)
      throws BadSignatureException, ArchiveRefusedException, IOException {
    return takeAll(instance, List.of(said), source).getFirst().get();
  }

  /**
   * Takes specs; one that is refused keeps none of the others out.
   *
   * @param source where they come from, for their provenance
   * @return what became of each, in this order
   * @throws ArchiveRefusedException when the instance takes no specs from elsewhere
   * @throws IOException when the store cannot be written; none of them became visible
   */
  public List<Result> takeAll(String instance, List<? extends Description> said, String source)
      throws ArchiveRefusedException, IOException {
    PushRules rules = rules(instance);
    List<IncomingSpec> all = new ArrayList<>();
    for (Description description : said) {
      all.add(new IncomingSpec(description, instance, mirror, blobs, rules, source));
    }
    each(all, IncomingSpec::read);
    List<Blob> made = new ArrayList<>();
    all.forEach(one -> one.madeSpec().ifPresent(made::add));
    if (!made.isEmpty()) {
      blobs.putAll(Scope.farm(instance), made);
    }
    each(all, IncomingSpec::check);
    List<IncomingSpec> good = new ArrayList<>();
    List<Checked> checked = new ArrayList<>();
    for (IncomingSpec one : all) {
      one.checked()
          .ifPresent(
              found -> {
                good.add(one);
                checked.add(found);
              });
    }
    List<PublishedSpec> winners = mirror.publish(instance, checked);
    for (int i = 0; i < winners.size(); i++) {
      good.get(i).isServed(winners.get(i));
    }
    return all.stream().map(IncomingSpec::result).toList();
  }

  /** One step with each. */
  private static void each(List<IncomingSpec> all, Consumer<IncomingSpec> step) throws IOException {
    Parallel.run(
        AT_ONCE, all.stream().map(one -> (Parallel.Transfer) () -> step.accept(one)).toList());
  }

  private PushRules rules(String instance) throws ArchiveRefusedException {
    @Nullable PushRules rules = options.pushed().get(instance);
    if (rules == null) {
      Set<String> there = options.pushed().keySet();
      throw new ArchiveRefusedException(
          "the instance `%s` takes no specs from elsewhere; %s"
              .formatted(
                  instance,
                  there.isEmpty()
                      ? "none of this farm does (mirror.pushed in farm.yaml)"
                      : "those that do: " + String.join(", ", there)));
    }
    return rules;
  }
}
