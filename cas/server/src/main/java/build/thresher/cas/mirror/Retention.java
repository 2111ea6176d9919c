package build.thresher.cas.mirror;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What stays in a mirror and what goes.
 *
 * <p>What no root needs is taken out: it leaves the index at once, and a build that wants it is run
 * again. Its manifest is answered for as long as an index that names it can be read, its blobs for
 * the grace, within which it can be put back. Then its blobs lose their pins, and the store's own
 * collection decides. A crash leaves each spec in the mirror, or out and restorable; those that go
 * go before what they need, so that what is left is closed at every moment. A crash after the end
 * of a grace can leave a pin too many, never one too few; {@link PinCheck} drops it.
 *
 * <p>Threading: any thread; of one instance one call at a time changes something, and publishing
 * there waits for it.
 */
public final class Retention {
  private static final Logger LOG = LoggerFactory.getLogger(Retention.class);
  private static final int SPECS_A_BATCH = 1000;

  private final RocksSpackMirror mirror;
  private final Pins pins;
  private final Views views;
  private final NeededNow needed;

  public Retention(RocksSpackMirror mirror, Pins pins, Views views, NeededNow needed) {
    this.views = views;
    this.mirror = mirror;
    this.pins = pins;
    this.needed = needed;
  }

  /**
   * What keeps a spec besides pins, views and running work.
   *
   * @param used what was used within this time stays; zero: use keeps nothing
   * @param builtWith roots keep what they were built with
   * @param grace for how long what goes can be put back; at least as long as an index is readable
   */
  public record Rules(Duration used, boolean builtWith, Duration grace) {
    public Rules {
      if (used.isNegative() || grace.isNegative()) {
        throw new IllegalArgumentException("the times of a prune are not negative");
      }
    }
  }

  /**
   * What becomes of a spec.
   *
   * @param reason why, for people
   */
  public record Decision(PublishedSpec spec, boolean pruned, String reason) {
    public long bytes() {
      return Retention.bytes(spec);
    }
  }

  /**
   * @param freedBytes of the pruned, what nothing else in these mirrors names
   */
  public record Outcome(ImmutableList<Decision> decisions, long freedBytes) {}

  /** What was put back, and what was there again already. */
  public record Restored(ImmutableList<DagHash> restored, ImmutableList<DagHash> thereAlready) {}

  /** Takes out what nothing keeps, or only says what that is. */
  public Outcome prune(String instance, Rules rules, boolean dryRun) throws IOException {
    InstanceMirror there = mirror.require(instance);
    Set<DagHash> running = needed.in(instance);
    Closure closure = Closure.load(instance, mirror.db());
    if (dryRun) {
      return decide(instance, there, closure, rules, running);
    }
    Lock one = there.retention();
    one.lock();
    Lock alone = there.takingOut();
    alone.lock();
    try {
      Outcome outcome = decide(instance, there, closure, rules, running);
      takeOut(instance, there, closure, outcome, rules);
      return outcome;
    } finally {
      alone.unlock();
      one.unlock();
    }
  }

  private Outcome decide(
      String instance, InstanceMirror there, Closure closure, Rules rules, Set<DagHash> running)
      throws IOException {
    KeptSpecs kept = new KeptSpecs(there, closure, rules.builtWith());
    for (DagHash hash : running) {
      kept.keep(hash, "running work needs it");
    }
    for (Pin pin : pins.of(instance)) {
      keepPinned(there, kept, pin, rules);
    }
    for (View view : views.of(instance)) {
      for (DagHash hash : views.matching(instance, view, closure)) {
        kept.keep(hash, "the view `" + view.name() + "` shows it");
      }
    }
    List<PublishedSpec> all = there.all();
    if (rules.used().isPositive()) {
      Instant oldest = mirror.clock().instant().minus(rules.used());
      for (PublishedSpec spec : all) {
        Instant last = mirror.used().lastUse(instance, spec.hash());
        if (!last.isBefore(oldest)) {
          kept.keep(spec.hash(), "used lately");
        }
      }
    }
    ImmutableList.Builder<Decision> decisions = ImmutableList.builder();
    Set<DagHash> goes = new HashSet<>();
    for (PublishedSpec spec : all) {
      String reason = kept.reason(spec.hash());
      if (reason == null) {
        goes.add(spec.hash());
        String last = mirror.used().lastUse(instance, spec.hash()).toString().substring(0, 10);
        decisions.add(new Decision(spec, true, "no root needs it; not used after " + last));
      } else {
        decisions.add(new Decision(spec, false, reason));
      }
    }
    return new Outcome(decisions.build(), freed(instance, there, goes));
  }

  private static void keepPinned(InstanceMirror there, KeptSpecs kept, Pin pin, Rules rules)
      throws IOException {
    String why = "pinned by `" + pin.name() + "`";
    for (DagHash hash : pin.hashes()) {
      kept.keep(hash, why);
    }
    for (String text : pin.specs()) {
      for (PublishedSpec spec : there.matching(SpecSelector.parse(text))) {
        kept.keep(spec.hash(), why);
      }
    }
    if (rules.builtWith()) {
      for (DagHash hash : pin.buildHashes()) {
        kept.keep(hash, why + ", to build with");
      }
    }
  }

  private long freed(String instance, InstanceMirror there, Set<DagHash> goes) {
    Set<Digest> stay = new HashSet<>();
    mirror.eachInstance(
        (name, each) ->
            each.each(
                spec -> {
                  if (!name.equals(instance) || !goes.contains(spec.hash())) {
                    stay.addAll(RocksSpackMirror.blobsOf(spec));
                  }
                }));
    Set<Digest> freed = new HashSet<>();
    there.each(
        spec -> {
          if (goes.contains(spec.hash())) {
            freed.addAll(RocksSpackMirror.blobsOf(spec));
          }
        });
    freed.removeAll(stay);
    return freed.stream().mapToLong(Digest::sizeBytes).sum();
  }

  private void takeOut(
      String instance, InstanceMirror there, Closure closure, Outcome outcome, Rules rules)
      throws IOException {
    Instant now = mirror.clock().instant();
    Duration least = mirror.options().indexRetention();
    Duration grace = rules.grace().compareTo(least) < 0 ? least : rules.grace();
    Map<DagHash, Decision> goes = new HashMap<>();
    for (Decision decision : outcome.decisions()) {
      if (decision.pruned()) {
        goes.put(decision.spec().hash(), decision);
      }
    }
    List<DagHash> order = closure.dependentsFirst(goes.keySet());
    for (List<DagHash> batch : Lists.partition(order, SPECS_A_BATCH)) {
      MirrorDb.Changes changes = mirror.db().changes();
      List<Pruned> pruned = new ArrayList<>();
      List<Pruned> replaced = new ArrayList<>();
      for (DagHash hash : batch) {
        PublishedRecord record = Objects.requireNonNull(mirror.db().find(instance, hash));
        String reason = Objects.requireNonNull(goes.get(hash)).reason();
        Pruned out = new Pruned(record.spec(), now, now.plus(grace), reason);
        changes.delete(MirrorTable.PUBLISHED, instance, MirrorDb.name(hash));
        changes.put(MirrorTable.PRUNED, instance, MirrorDb.name(hash), out.toBytes(record));
        pruned.add(out);
        Pruned before = there.pruned(hash);
        if (before != null) {
          replaced.add(before);
        }
      }
      mirror.db().write(changes);
      pruned.forEach(there::takeOut);
      for (Pruned old : replaced) {
        mirror.unpin(instance, old.spec());
      }
    }
    if (!order.isEmpty()) {
      LOG.info("pruned {} specs of instance `{}`, kept for {}", order.size(), instance, grace);
    }
  }

  /** What can be put back. */
  public Collection<Pruned> pruned(String instance) {
    return mirror.require(instance).allPruned();
  }

  /**
   * Puts specs back, with what was pruned of what they need, signed anew.
   *
   * @param specs as {@link SpecSelector} reads them; ignored when all are meant
   * @throws NoSuchElementException when nothing pruned is meant by one of them
   */
  public Restored restore(String instance, List<String> specs, boolean all) throws IOException {
    return new Restoration(mirror, instance).restore(specs, all);
  }

  /** Lets go of everything whose grace is over. */
  public void expire() throws IOException {
    for (String instance : mirror.instanceNames()) {
      expire(instance, mirror.require(instance));
    }
  }

  private void expire(String instance, InstanceMirror there) throws IOException {
    Instant now = mirror.clock().instant();
    List<Pruned> over = new ArrayList<>();
    Lock one = there.retention();
    one.lock();
    Lock alone = there.takingOut();
    alone.lock();
    try {
      there.allPruned().stream().filter(p -> !p.until().isAfter(now)).forEach(over::add);
      if (over.isEmpty()) {
        return;
      }
      MirrorDb.Changes changes = mirror.db().changes();
      for (Pruned pruned : over) {
        DagHash hash = pruned.spec().hash();
        changes.delete(MirrorTable.PRUNED, instance, MirrorDb.name(hash));
        if (!there.isPublished(hash)) {
          mirror.used().forget(instance, hash, changes);
        }
      }
      Set<DagHash> nodes = unneededNodes(instance, there, over);
      nodes.forEach(node -> mirror.db().nodes().delete(instance, node, changes));
      mirror.db().write(changes);
      there.letGo(over, nodes);
    } finally {
      alone.unlock();
      one.unlock();
    }
    for (Pruned pruned : over) {
      mirror.unpin(instance, pruned.spec());
    }
    LOG.info("let go of {} pruned specs of instance `{}`", over.size(), instance);
  }

  /** Nodes that the index needs for nothing that is left. */
  private Set<DagHash> unneededNodes(String instance, InstanceMirror there, List<Pruned> over)
      throws IOException {
    Closure closure = Closure.load(instance, mirror.db());
    Set<DagHash> going = new HashSet<>();
    over.forEach(p -> going.add(p.spec().hash()));
    List<DagHash> left = new ArrayList<>();
    there.each(spec -> left.add(spec.hash()));
    there.allPruned().stream()
        .map(p -> p.spec().hash())
        .filter(hash -> !going.contains(hash))
        .forEach(left::add);
    Set<DagHash> unneeded = closure.of(going, true);
    unneeded.removeAll(closure.of(left, true));
    return unneeded;
  }

  static long bytes(PublishedSpec spec) {
    return spec.archive().sizeBytes() + spec.spec().sizeBytes();
  }
}
