package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts new keys into the place of old ones. Both are served while it lasts, and every manifest is
 * signed by one of them at every moment; archives are not touched. What was reached is noted with
 * what was signed, in one batch, so a stopped server goes on where it was.
 *
 * <p>Threading: any thread; each rotation has one of its own.
 */
public final class KeyRotation implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KeyRotation.class);
  private static final int SPECS_A_BATCH = 64;

  private final RocksSpackMirror mirror;
  private final ConcurrentHashMap<String, Progress> running = new ConcurrentHashMap<>();
  private final ExecutorService threads =
      Executors.newCachedThreadPool(
          Thread.ofPlatform().name("key-rotation-", 0).daemon().factory());
  private volatile boolean closed;

  private KeyRotation(RocksSpackMirror mirror) {
    this.mirror = mirror;
  }

  /** What a key is for. */
  public enum State {
    SIGNS,
    ANNOUNCED,
    LEAVES
  }

  /** A key that is served. */
  public record Key(String fingerprint, KeyType type, State state) {}

  /**
   * How far specs are signed anew; both numbers are 0 when no rotation is under way.
   *
   * @param keys the one that signs first
   */
  public record Status(ImmutableList<Key> keys, int signedAnew, int toSign) {}

  private record Progress(int done, int all) {}

  /** Goes on with the rotations that were under way. */
  public static KeyRotation start(RocksSpackMirror mirror) throws IOException {
    KeyRotation rotation = new KeyRotation(mirror);
    for (String instance : mirror.instanceNames()) {
      if (Rotation.find(instance, mirror.db()) != null) {
        rotation.run(instance);
      }
    }
    return rotation;
  }

  public Status status(String instance) {
    InstanceMirror there = mirror.require(instance);
    @Nullable Progress progress = running.get(instance);
    ImmutableList.Builder<Key> keys = ImmutableList.builder();
    for (Signer signer : there.key().all()) {
      State other = progress == null ? State.ANNOUNCED : State.LEAVES;
      boolean signs = signer.equals(there.key().signer());
      keys.add(new Key(signer.fingerprint(), signer.type(), signs ? State.SIGNS : other));
    }
    return progress == null
        ? new Status(keys.build(), 0, 0)
        : new Status(keys.build(), progress.done(), progress.all());
  }

  /** Makes the next key, unless there is one, and serves it beside the one that signs. */
  public Status announce(String instance) throws IOException {
    InstanceMirror there = mirror.require(instance);
    Lock alone = there.takingOut();
    alone.lock();
    try {
      if (there.key().all().size() == 1) {
        Signer next = mirror.signers().makeNext(instance);
        there.useKeys(List.of(there.key().signer(), next));
        LOG.info("the next key of instance `{}` is {}", instance, next.fingerprint());
      }
    } finally {
      alone.unlock();
    }
    return status(instance);
  }

  /** From now on the next key signs; what is there is signed anew in the background. */
  public Status rotate(String instance) throws IOException {
    InstanceMirror there = mirror.require(instance);
    Lock alone = there.takingOut();
    alone.lock();
    try {
      announce(instance);
      List<Signer> signers = there.key().all();
      if (Rotation.find(instance, mirror.db()) == null) {
        Signer next = signers.get(1);
        MirrorDb.Changes changes = mirror.db().changes();
        new Rotation(next.fingerprint(), "").put(instance, changes);
        mirror.db().write(changes);
        there.useKeys(List.of(next, signers.getFirst()));
      }
      if (!running.containsKey(instance)) {
        run(instance);
      }
    } finally {
      alone.unlock();
    }
    return status(instance);
  }

  private void run(String instance) {
    running.put(instance, new Progress(0, mirror.size(instance)));
    threads.execute(
        () -> {
          try {
            signAnew(instance, mirror.require(instance));
          } catch (IOException | RuntimeException e) {
            LOG.error("signing instance `{}` anew stopped; ask again to go on", instance, e);
            running.remove(instance);
          }
        });
  }

  private void signAnew(String instance, InstanceMirror there) throws IOException {
    Rotation rotation = Rotation.find(instance, mirror.db());
    if (rotation == null) {
      return;
    }
    List<DagHash> all = there.all().stream().map(PublishedSpec::hash).sorted().toList();
    List<DagHash> left =
        all.stream().filter(h -> h.text().compareTo(rotation.reached()) > 0).toList();
    int done = all.size() - left.size();
    for (List<DagHash> batch : Lists.partition(left, SPECS_A_BATCH)) {
      if (closed) {
        return;
      }
      running.put(instance, new Progress(done, all.size()));
      signAnew(instance, there, rotation, batch);
      done += batch.size();
    }
    finish(instance, there);
  }

  /** Signs without a lock, and keeps what nobody changed meanwhile: that is signed already. */
  private void signAnew(
      String instance, InstanceMirror there, Rotation rotation, List<DagHash> batch)
      throws IOException {
    Map<PublishedRecord, PublishedRecord> signed = new LinkedHashMap<>();
    for (DagHash hash : batch) {
      PublishedRecord record = mirror.db().find(instance, hash);
      if (record != null) {
        signed.put(record, record.signedBy(there.key().signer()));
      }
    }
    MirrorDb.Changes changes = mirror.db().changes();
    Lock alone = there.takingOut();
    alone.lock();
    try {
      for (Map.Entry<PublishedRecord, PublishedRecord> each : signed.entrySet()) {
        DagHash hash = each.getKey().spec().hash();
        if (each.getKey().equals(mirror.db().find(instance, hash))) {
          byte[] row = each.getValue().toBytes();
          changes.put(MirrorTable.PUBLISHED, instance, MirrorDb.name(hash), row);
        }
      }
      new Rotation(rotation.to(), batch.getLast().text()).put(instance, changes);
      mirror.db().write(changes);
    } finally {
      alone.unlock();
    }
  }

  private void finish(String instance, InstanceMirror there) throws IOException {
    Lock alone = there.takingOut();
    alone.lock();
    try {
      mirror.signers().adoptNext(instance);
      Rotation.end(instance, mirror.db());
      there.useKeys(List.of(there.key().signer()));
      running.remove(instance);
    } finally {
      alone.unlock();
    }
    LOG.info("instance `{}` is signed by {} alone", instance, there.key().signer().fingerprint());
  }

  /** Stops at the next batch, and waits for that. */
  @Override
  public void close() {
    closed = true;
    threads.close();
  }
}
