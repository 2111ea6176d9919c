package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.ImmutableSortedSet;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashSet;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.SortedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The views of all instances: each is one more index over the same manifests and blobs, built when
 * asked for like the index of everything. Durable on return. Threading: any thread.
 */
public final class Views {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");

  private final RocksSpackMirror mirror;
  private final Map<String, Map<String, View>> views = new ConcurrentHashMap<>();

  private Views(RocksSpackMirror mirror) {
    this.mirror = mirror;
  }

  public static Views open(RocksSpackMirror mirror) throws IOException {
    Views views = new Views(mirror);
    mirror
        .db()
        .eachRow(
            MirrorTable.VIEWS,
            (instance, name, value) ->
                views.show(
                    instance, View.fromBytes(new String(name, StandardCharsets.UTF_8), value)));
    return views;
  }

  /** Of an instance, by name. */
  public Collection<View> of(String instance) {
    mirror.require(instance);
    return in(instance).values();
  }

  /**
   * Makes the view, or gives the one of its name this content.
   *
   * @throws IllegalArgumentException when the name is none, or everything would be shown
   */
  public void set(String instance, View view) throws IOException {
    mirror.require(instance);
    if (!NAME.matcher(view.name()).matches()) {
      throw new IllegalArgumentException(
          "the name of a view has 1 to 100 letters, digits, `.`, `_`, `-`; it stands in URLs");
    }
    if (view.isOfEverything()) {
      throw new IllegalArgumentException(
          "a view shows a part: give an environment, packages, targets or clients");
    }
    MirrorDb.Changes changes = mirror.db().changes();
    changes.put(MirrorTable.VIEWS, instance, name(view.name()), view.toBytes());
    mirror.db().write(changes);
    show(instance, view);
  }

  private void show(String instance, View view) throws IOException {
    InstanceMirror there = mirror.require(instance);
    in(instance).put(view.name(), view);
    MirrorIndex index = mirror.index(instance, () -> new Content(instance, there, view));
    retire(there.putView(view.name(), index));
  }

  private static void retire(@Nullable MirrorIndex index) throws IOException {
    if (index != null) {
      index.retire();
    }
  }

  /**
   * @throws NoSuchElementException when there is none of this name
   */
  public void remove(String instance, String name) throws IOException {
    if (!in(instance).containsKey(name)) {
      throw new NoSuchElementException("there is no view `" + name + "`");
    }
    MirrorDb.Changes changes = mirror.db().changes();
    changes.delete(MirrorTable.VIEWS, instance, name(name));
    mirror.db().write(changes);
    in(instance).remove(name);
    retire(mirror.require(instance).removeView(name));
  }

  /** The specs that a view shows now. */
  public int size(String instance, View view) throws IOException {
    InstanceMirror there = mirror.require(instance);
    Content content = new Content(instance, there, view);
    return (int) there.all().stream().filter(spec -> content.offers(spec.hash())).count();
  }

  /** The specs that are of all the kinds that are given, without what they need. */
  Set<DagHash> matching(String instance, View view, Closure closure) throws IOException {
    InstanceMirror there = mirror.require(instance);
    Set<DagHash> matching = new HashSet<>();
    for (PublishedSpec spec : there.all()) {
      boolean named = view.packages().isEmpty() || view.packages().contains(spec.name());
      boolean meant = view.hashes().isEmpty() || view.hashes().contains(spec.hash());
      if (named && meant && isFor(view, closure.facts(spec.hash())) && isOf(instance, view, spec)) {
        matching.add(spec.hash());
      }
    }
    return matching;
  }

  private static boolean isFor(View view, @Nullable NodeFacts facts) {
    return view.targets().isEmpty() || (facts != null && view.targets().contains(facts.target()));
  }

  private boolean isOf(String instance, View view, PublishedSpec spec) throws IOException {
    if (view.clients().isEmpty()) {
      return true;
    }
    String submitter =
        mirror
            .provenance(instance, spec.hash())
            .map(facts -> facts.getOrDefault("submitter", ""))
            .orElse("");
    return view.clients().contains(submitter);
  }

  private Map<String, View> in(String instance) {
    return views.computeIfAbsent(instance, i -> new ConcurrentSkipListMap<>());
  }

  private static byte[] name(String view) {
    return view.getBytes(StandardCharsets.UTF_8);
  }

  /** What stands in the index: what is offered, and every node that Spack needs to read it. */
  private final class Content implements IndexContent {
    private final InstanceMirror there;
    private final Set<DagHash> offered;
    private final ImmutableSortedSet<DagHash> listed;

    Content(String instance, InstanceMirror there, View view) throws IOException {
      // By target every node has to be looked at.
      Closure closure =
          view.targets().isEmpty()
              ? Closure.lazily(instance, mirror.db())
              : Closure.load(instance, mirror.db());
      this.there = there;
      this.offered = closure.of(matching(instance, view, closure), false);
      this.listed = ImmutableSortedSet.copyOf(closure.of(offered, true));
    }

    @Override
    public SortedSet<DagHash> listed() {
      return listed;
    }

    @Override
    public boolean offers(DagHash node) {
      return offered.contains(node) && there.isPublished(node);
    }
  }
}
