package build.thresher.cas.store;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Pairs of buffers outside the heap that a disk can be written from and read into, used again and
 * again. No more are made than the limit: whoever gets none goes through the page cache. Any
 * thread.
 */
final class BlockBuffers {
  /** Smaller ones wait for the disk more often than it takes to fill one. */
  static final int BYTES = 512 << 10;

  private final int blockBytes;
  private final int limit;
  private final Deque<Pair> idle = new ArrayDeque<>();
  private int made;

  /**
   * @param blockBytes what their addresses are a multiple of
   * @param limit how many pairs there may be
   */
  BlockBuffers(int blockBytes, int limit) {
    this.blockBytes = blockBytes;
    this.limit = limit;
  }

  /** Both empty; null where all are in use. */
  synchronized @Nullable Pair take() {
    Pair pair = idle.poll();
    if (pair == null && made < limit) {
      made++;
      return new Pair(allocate(), allocate());
    }
    return pair;
  }

  private ByteBuffer allocate() {
    return ByteBuffer.allocateDirect(BYTES + blockBytes).alignedSlice(blockBytes).slice(0, BYTES);
  }

  private synchronized void giveBack(Pair pair) {
    pair.front.clear();
    pair.back.clear();
    idle.push(pair);
  }

  /** One to fill while the other is in use. */
  final class Pair {
    private ByteBuffer front;
    private ByteBuffer back;

    private Pair(ByteBuffer front, ByteBuffer back) {
      this.front = front;
      this.back = back;
    }

    ByteBuffer front() {
      return front;
    }

    ByteBuffer back() {
      return back;
    }

    /** The other one is the front now. */
    ByteBuffer swap() {
      ByteBuffer before = front;
      front = back;
      back = before;
      return front;
    }

    int blockBytes() {
      return blockBytes;
    }

    /** Nothing may use them any more. */
    void giveBack() {
      BlockBuffers.this.giveBack(this);
    }
  }
}
