package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * The pins of all instances. Durable on return. Threading: any thread; of two that set one name at
 * the same time either may win.
 */
public final class Pins {
  private static final int MAX_NAME_LENGTH = 200;

  private final RocksSpackMirror mirror;
  private final Map<String, Map<String, Pin>> pins = new ConcurrentHashMap<>();

  private Pins(RocksSpackMirror mirror) {
    this.mirror = mirror;
  }

  public static Pins open(RocksSpackMirror mirror) throws IOException {
    Pins pins = new Pins(mirror);
    mirror
        .db()
        .eachRow(
            MirrorTable.PINS,
            (instance, name, value) -> {
              Pin pin = Pin.fromBytes(new String(name, StandardCharsets.UTF_8), value);
              pins.in(instance).put(pin.name(), pin);
            });
    return pins;
  }

  /** Of an instance, by name. */
  public Collection<Pin> of(String instance) {
    mirror.require(instance);
    return in(instance).values();
  }

  /**
   * Makes the pin, or gives the one of its name this content. A beginning of a hash among its specs
   * becomes the hashes that it means now.
   *
   * @return as it is kept
   * @throws IllegalArgumentException when the name or a spec is none
   * @throws NoSuchElementException when a hash that was not given whole is not there
   */
  public Pin set(String instance, Pin pin) throws IOException {
    InstanceMirror there = mirror.require(instance);
    if (pin.name().isBlank() || pin.name().length() > MAX_NAME_LENGTH) {
      throw new IllegalArgumentException(
          "the name of a pin has 1 to " + MAX_NAME_LENGTH + " characters");
    }
    ImmutableSet.Builder<DagHash> hashes = ImmutableSet.builder();
    hashes.addAll(pin.hashes());
    ImmutableList.Builder<String> specs = ImmutableList.builder();
    for (String text : pin.specs()) {
      SpecSelector selector = SpecSelector.parse(text);
      if (!selector.name().isEmpty()) {
        specs.add(text);
      } else if (selector.hash().length() == DagHash.LENGTH) {
        hashes.add(new DagHash(selector.hash()));
      } else {
        hashes.addAll(meant(there, selector, text));
      }
    }
    Pin kept =
        new Pin(
            pin.name(),
            hashes.build().asList(),
            pin.buildHashes(),
            specs.build(),
            pin.description(),
            pin.since());
    MirrorDb.Changes changes = mirror.db().changes();
    changes.put(MirrorTable.PINS, instance, name(kept.name()), kept.toBytes());
    mirror.db().write(changes);
    in(instance).put(kept.name(), kept);
    return kept;
  }

  private static List<DagHash> meant(InstanceMirror there, SpecSelector selector, String text) {
    List<DagHash> found = there.matching(selector).stream().map(PublishedSpec::hash).toList();
    if (found.isEmpty()) {
      throw new NoSuchElementException(
          "nothing in the mirror begins with " + text + "; give the whole hash to pin it ahead");
    }
    return found;
  }

  /**
   * @throws NoSuchElementException when there is none of this name
   */
  public void remove(String instance, String pin) throws IOException {
    if (!in(instance).containsKey(pin)) {
      throw new NoSuchElementException("there is no pin `" + pin + "`");
    }
    MirrorDb.Changes changes = mirror.db().changes();
    changes.delete(MirrorTable.PINS, instance, name(pin));
    mirror.db().write(changes);
    in(instance).remove(pin);
  }

  /** Those of the pinned specs that are in the mirror. */
  public int published(String instance, Pin pin) {
    InstanceMirror there = mirror.require(instance);
    ImmutableSet.Builder<DagHash> found = ImmutableSet.builder();
    pin.hashes().stream().filter(there::isPublished).forEach(found::add);
    pin.buildHashes().stream().filter(there::isPublished).forEach(found::add);
    for (String text : pin.specs()) {
      there.matching(SpecSelector.parse(text)).forEach(spec -> found.add(spec.hash()));
    }
    return found.build().size();
  }

  private Map<String, Pin> in(String instance) {
    return pins.computeIfAbsent(instance, i -> new ConcurrentSkipListMap<>());
  }

  private static byte[] name(String pin) {
    return pin.getBytes(StandardCharsets.UTF_8);
  }
}
