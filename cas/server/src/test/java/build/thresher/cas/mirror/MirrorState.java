package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.HashMultiset;
import com.google.common.collect.Multiset;
import com.google.common.collect.Sets;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.Set;

/**
 * What a mirror with three instances says that it has, one line for each thing.
 *
 * @param published specs with their archives
 * @param restorable specs that were pruned and can be put back
 * @param rest pins, views with what they show, and how many keys there are
 */
record MirrorState(Set<Spec> published, Set<Spec> restorable, Set<String> rest) {

  record Spec(String instance, DagHash hash, Digest archive) {
    static Spec of(String instance, PublishedSpec spec) {
      return new Spec(instance, spec.hash(), spec.archive());
    }
  }

  /** Reads all that there is, and finds it whole and signed. Nobody may change it meanwhile. */
  static MirrorState requireWhole(MirrorParts at, Path scratch) throws Exception {
    Set<Spec> published = new HashSet<>();
    Set<Spec> restorable = new HashSet<>();
    Set<String> rest = new HashSet<>();
    for (String instance : MirrorParts.INSTANCES) {
      Set<DagHash> listed = PublishedState.requireWhole(at.mirror, at.store, instance);
      InstanceMirror there = at.mirror.require(instance);
      there.each(spec -> published.add(Spec.of(instance, spec)));
      for (Pruned pruned : at.retention.pruned(instance)) {
        restorable.add(Spec.of(instance, pruned.spec()));
        at.mirror.requireBlobs(instance, pruned.spec());
      }
      for (Pin pin : at.pins.of(instance)) {
        rest.add(instance + " " + pin);
      }
      for (View view : at.views.of(instance)) {
        String path = "v3/manifests/index/" + view.name() + "/index.manifest.json";
        Set<DagHash> shown = PublishedState.requireListedWhole(at.mirror, at.store, instance, path);
        assertTrue(listed.containsAll(shown), "a view shows what is not published");
        rest.add(instance + " " + view + " " + shown.stream().sorted().toList());
      }
      rest.add(instance + " has " + there.key().all().size() + " keys");
      requireSigned(at, instance, there, scratch);
    }
    return new MirrorState(published, restorable, rest);
  }

  /** By a key that is served. */
  private static void requireSigned(
      MirrorParts at, String instance, InstanceMirror there, Path scratch) throws Exception {
    Path served = Files.createDirectories(scratch.resolve("served-keys"));
    int next = 0;
    for (Signer signer : there.key().all()) {
      Files.write(served.resolve("key-" + next++), signer.publicKey());
    }
    TrustedKeys keys = TrustedKeys.read(served, InstantSource.system());
    for (String path : at.mirror.specManifests(instance)) {
      keys.verify(PublishedState.text(at.mirror, at.store, instance, path));
    }
  }

  /** Nothing is lost that both have, nothing is there that neither has. */
  void requireBetween(MirrorState before, MirrorState after) {
    requireBetween(before.published, published, after.published);
    requireBetween(before.restorable, restorable, after.restorable);
    requireBetween(before.rest, rest, after.rest);
    requireBetween(before.known(), known(), after.known());
  }

  private Set<Spec> known() {
    return Sets.union(published, restorable);
  }

  private static <T> void requireBetween(Set<T> before, Set<T> now, Set<T> after) {
    assertEquals(Set.of(), Sets.difference(Sets.intersection(before, after), now), "lost");
    assertEquals(Set.of(), Sets.difference(now, Sets.union(before, after)), "from nowhere");
  }

  /** What is published stands on what is published: all that it needs of what there ever is. */
  void requireClosed(MirrorParts at, MirrorState before, MirrorState after) throws IOException {
    for (String instance : MirrorParts.INSTANCES) {
      Set<DagHash> there = hashes(published, instance);
      Set<DagHash> needed = Closure.load(instance, at.mirror.db()).of(there, false);
      needed.removeAll(there);
      needed.retainAll(
          Sets.union(hashes(before.published, instance), hashes(after.published, instance)));
      assertEquals(Set.of(), needed, "`" + instance + "` has what needs them, and not them");
    }
  }

  private static Set<DagHash> hashes(Set<Spec> specs, String instance) {
    Set<DagHash> hashes = new HashSet<>();
    for (Spec spec : specs) {
      if (spec.instance().equals(instance)) {
        hashes.add(spec.hash());
      }
    }
    return hashes;
  }

  /** Each blob is pinned as often as it is named; afterwards none is. */
  static void requireExactPins(MirrorParts at) throws IOException {
    Multiset<Digest> named = HashMultiset.create();
    at.mirror.eachInstance((name, instance) -> instance.eachPinned(named::add));
    at.store.unpin(Scope.farm(""), named);
    assertEquals(0, at.store.dropPinsBeyond(HashMultiset.create()), "blobs with a pin too many");
  }
}
