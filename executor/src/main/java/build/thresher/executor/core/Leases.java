package build.thresher.executor.core;

import build.thresher.executor.core.RunningLease.Ending;
import build.thresher.v1.Fence;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/** The leases that this executor holds, and its free slots. Thread-safe. */
final class Leases {
  private final Map<Fence, RunningLease> held = new HashMap<>();
  private final Deque<Integer> freeSlots = new ArrayDeque<>();
  private final int slots;
  private final LongSupplier nanoTime;

  Leases(int slots, LongSupplier nanoTime) {
    this.slots = slots;
    this.nanoTime = nanoTime;
    for (int i = 0; i < slots; i++) {
      freeSlots.add(i);
    }
  }

  /** Waits until a slot is free; returns how many are. */
  synchronized int awaitFree() throws InterruptedException {
    while (freeSlots.isEmpty()) {
      wait();
    }
    return freeSlots.size();
  }

  /** Takes a slot for a lease; -1 when none is free or the lease is held already. */
  synchronized int start(RunningLease lease) {
    if (freeSlots.isEmpty() || held.containsKey(lease.fence())) {
      return -1;
    }
    held.put(lease.fence(), lease);
    return freeSlots.removeFirst();
  }

  /** The server has been told, or does not want to hear: nothing is renewed any more. */
  synchronized void forget(RunningLease lease) {
    held.remove(lease.fence());
    notifyAll();
  }

  /** The slot is clean again. */
  synchronized void free(int slot) {
    freeSlots.add(slot);
    notifyAll();
  }

  /**
   * What ran in the slot is over, though its result is not reported yet. Another may begin, unless
   * as many results as there are slots wait to be taken already.
   *
   * @return whether the slot is free
   */
  synchronized boolean freeEarly(int slot) {
    int running = slots - freeSlots.size();
    if (held.size() - running >= slots) {
      return false;
    }
    free(slot);
    return true;
  }

  synchronized List<RunningLease> held() {
    return new ArrayList<>(held.values());
  }

  /** Kills the builds of those leases that are still held. */
  void kill(Iterable<Fence> fences) {
    for (Fence fence : fences) {
      RunningLease lease;
      synchronized (this) {
        lease = held.get(fence);
      }
      if (lease != null) {
        lease.end(Ending.LOST);
      }
    }
  }

  /** Waits until every slot is free and no lease held, at most so long; true when so. */
  synchronized boolean awaitIdle(Duration limit) throws InterruptedException {
    long deadline = nanoTime.getAsLong() + limit.toNanos();
    while (freeSlots.size() < slots || !held.isEmpty()) {
      long millis = (deadline - nanoTime.getAsLong()) / 1_000_000;
      if (millis <= 0) {
        return false;
      }
      wait(millis);
    }
    return true;
  }
}
