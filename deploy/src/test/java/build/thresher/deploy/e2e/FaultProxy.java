package build.thresher.deploy.e2e;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A network that misbehaves, between two real processes: everything that goes through it is
 * delayed, swallowed, held back on one way or both, or broken off as it is told. Each connection
 * has two threads of its own.
 */
final class FaultProxy implements AutoCloseable {
  /** What happens to the bytes of every connection. */
  enum Mode {
    PASS,
    /** A tenth of a second later. */
    DELAY,
    /** Taken and never delivered, and nobody is told; later bytes of the stream do not come. */
    SWALLOW,
    /** What callers say waits until this is over; what they are answered passes. */
    HOLD_CALLS,
    /** The other way round. */
    HOLD_ANSWERS
  }

  private static final int DELAY_MILLIS = 100;
  private static final int HELD_MILLIS = 5;

  private final ServerSocket entrance;
  private final String host;
  private final int port;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private volatile Mode mode = Mode.PASS;

  /**
   * @param target {@code host:port}
   */
  FaultProxy(String target) throws IOException {
    int colon = target.lastIndexOf(':');
    host = target.substring(0, colon);
    port = Integer.parseInt(target.substring(colon + 1));
    entrance = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  String address() {
    return "127.0.0.1:" + entrance.getLocalPort();
  }

  void set(Mode next) {
    mode = next;
  }

  /** Breaks every connection off, in mid-message. */
  void reset() throws IOException {
    for (Socket socket : open) {
      if (!socket.isClosed()) {
        try {
          socket.setSoLinger(true, 0);
        } catch (SocketException closedJustNow) {
          continue;
        }
        socket.close();
      }
    }
  }

  private void accept() {
    while (!entrance.isClosed()) {
      try {
        Socket caller = entrance.accept();
        open.add(caller);
        Thread.ofVirtual().start(() -> join(caller));
      } catch (IOException closed) {
        return;
      }
    }
  }

  private void join(Socket caller) {
    try (caller;
        Socket called = new Socket(host, port)) {
      open.add(called);
      Thread back = Thread.ofVirtual().start(() -> carry(called, caller, Mode.HOLD_ANSWERS));
      carry(caller, called, Mode.HOLD_CALLS);
      back.join();
      open.remove(called);
    } catch (IOException refused) {
      // The caller sees that his connection is closed.
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    } finally {
      open.remove(caller);
    }
  }

  /**
   * @param held the mode that stops this direction alone
   */
  private void carry(Socket from, Socket to, Mode held) {
    byte[] some = new byte[16 << 10];
    boolean swallowed = false;
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int n = in.read(some); n >= 0; n = in.read(some)) {
        if (mode == Mode.DELAY) {
          Thread.sleep(DELAY_MILLIS);
        }
        while (mode == held) {
          Thread.sleep(HELD_MILLIS);
        }
        swallowed |= mode == Mode.SWALLOW;
        if (!swallowed) {
          out.write(some, 0, n);
        }
      }
    } catch (IOException broken) {
      // Both ends are closed.
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void close() throws IOException {
    entrance.close();
    reset();
  }
}
