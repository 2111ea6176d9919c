package build.thresher.cas.store;

import build.thresher.cas.api.Digest;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a store may and may not have given up, said as simply as the interface does: a blob that was
 * reported as present is there for a lifetime, a leased one until its time, a pinned one until it
 * is unpinned. What nobody was promised may be there or not; what was seen to be absent is absent
 * until somebody puts it.
 */
final class PromisesModel {
  /** Uses are known to the hour, on both ends. */
  private static final Duration ROUNDING = Duration.ofHours(2);

  private final Duration lifetime;
  private final Map<Digest, Promise> promises = new HashMap<>();
  private Instant now;

  /** Of a blob that was put and not seen to be absent since. */
  private static final class Promise {
    Instant reported = Instant.MIN;
    Instant used = Instant.MIN;
    Instant leasedUntil = Instant.MIN;
    int pins;
  }

  PromisesModel(Duration lifetime, Instant now) {
    this.lifetime = lifetime;
    this.now = now;
  }

  void pass(Duration time) {
    now = now.plus(time);
  }

  Instant now() {
    return now;
  }

  /** False where the store must say that it is absent. */
  boolean mayBeThere(Digest digest) {
    return promises.containsKey(digest);
  }

  boolean mustBeThere(Digest digest) {
    Promise promise = promises.get(digest);
    return promise != null && isOwed(promise);
  }

  private boolean isOwed(Promise promise) {
    return isHeld(promise) || promise.reported.isAfter(now.minus(lifetime));
  }

  private boolean isHeld(Promise promise) {
    return promise.pins > 0 || promise.leasedUntil.isAfter(now);
  }

  /** Leased or pinned: what nobody may delete. */
  boolean isHeld(Digest digest) {
    Promise promise = promises.get(digest);
    return promise != null && isHeld(promise);
  }

  List<Digest> owed() {
    return promises.entrySet().stream()
        .filter(each -> isOwed(each.getValue()))
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Bytes that the store may keep although somebody needs room. */
  long keptBytes() {
    Instant recently = now.minus(lifetime).minus(ROUNDING);
    return promises.entrySet().stream()
        .filter(each -> isHeld(each.getValue()) || each.getValue().used.isAfter(recently))
        .mapToLong(each -> each.getKey().sizeBytes())
        .sum();
  }

  /** Put, or reported as present. */
  void reported(Digest digest) {
    Promise promise = promises.computeIfAbsent(digest, unused -> new Promise());
    promise.reported = now;
    promise.used = now;
  }

  /** Used by somebody who was promised nothing. */
  void used(Collection<Digest> digests) {
    for (Digest digest : digests) {
      Promise promise = promises.get(digest);
      if (promise != null) {
        promise.used = now;
      }
    }
  }

  /** Fails where it may not be. */
  void absent(Digest digest) {
    Promise promise = promises.get(digest);
    if (promise != null && isOwed(promise)) {
      throw new AssertionError(
          "%s is gone at %s: reported %s, leased until %s, %d pins"
              .formatted(digest, now, promise.reported, promise.leasedUntil, promise.pins));
    }
    promises.remove(digest);
  }

  void deleted(Digest digest) {
    promises.remove(digest);
  }

  void leased(Collection<Digest> digests, Instant until) {
    for (Digest digest : digests) {
      Promise promise = promised(digest);
      promise.leasedUntil = until.isAfter(promise.leasedUntil) ? until : promise.leasedUntil;
    }
  }

  void pinned(Collection<Digest> digests, int pins) {
    for (Digest digest : digests) {
      promised(digest).pins += pins;
    }
  }

  private Promise promised(Digest digest) {
    Promise promise = promises.get(digest);
    if (promise == null) {
      throw new AssertionError(digest + " was leased or pinned, but it is not there");
    }
    return promise;
  }
}
