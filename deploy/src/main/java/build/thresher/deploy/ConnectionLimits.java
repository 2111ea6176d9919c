package build.thresher.deploy;

import com.google.common.util.concurrent.RateLimiter;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.Channel;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How many connections a server takes, from all together and from one address. One too many is
 * closed as soon as it is accepted, before TLS or anything else is read from it; clients try again
 * by themselves. An address of IPv6 counts as its /64, because whoever has one has all of them.
 *
 * <p>Close it after the server: its threads move the server's bytes.
 */
final class ConnectionLimits implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ConnectionLimits.class);

  private final int all;
  private final int eachAddress;
  private final Map<InetAddress, Integer> open = new HashMap<>();
  private int openInAll;

  @SuppressWarnings("UnstableApiUsage") // in Guava since 2012
  private final RateLimiter said = RateLimiter.create(0.1);

  private final EventLoopGroup acceptor = loops(1, "grpc-acceptor");
  private final EventLoopGroup workers = loops(0, "grpc-worker");

  /**
   * @param all connections at a time
   * @param eachAddress of them, at most so many from one address
   */
  ConnectionLimits(int all, int eachAddress) {
    this.all = all;
    this.eachAddress = eachAddress;
  }

  private static EventLoopGroup loops(int threads, String name) {
    return new MultiThreadIoEventLoopGroup(
        threads, new DefaultThreadFactory(name, true), NioIoHandler.newFactory());
  }

  NettyServerBuilder on(NettyServerBuilder server) {
    return server
        .channelFactory(Listening::new)
        .bossEventLoopGroup(acceptor)
        .workerEventLoopGroup(workers);
  }

  private final class Listening extends NioServerSocketChannel {
    @Override
    protected int doReadMessages(List<Object> accepted) throws Exception {
      int before = accepted.size();
      int count = super.doReadMessages(accepted);
      for (int i = accepted.size() - 1; i >= before; i--) {
        Channel connection = (Channel) accepted.get(i);
        InetAddress from = address(connection);
        if (take(from)) {
          connection.closeFuture().addListener(closed -> release(from));
        } else {
          accepted.remove(i);
          connection.unsafe().closeForcibly();
        }
      }
      return count;
    }
  }

  private static InetAddress address(Channel connection) throws UnknownHostException {
    if (connection.remoteAddress() instanceof InetSocketAddress remote) {
      byte[] bytes = remote.getAddress().getAddress();
      Arrays.fill(bytes, Math.min(8, bytes.length), bytes.length, (byte) 0);
      return InetAddress.getByAddress(bytes);
    }
    return InetAddress.getByAddress(new byte[4]); // it is gone already
  }

  private synchronized boolean take(InetAddress from) {
    int ofThis = open.getOrDefault(from, 0);
    if (openInAll >= all || ofThis >= eachAddress) {
      if (said.tryAcquire()) {
        log.warn(
            "refused a connection of {}, which has {} of at most {}; all together have {} of {}",
            from.getHostAddress(),
            ofThis,
            eachAddress,
            openInAll,
            all);
      }
      return false;
    }
    openInAll++;
    open.put(from, ofThis + 1);
    return true;
  }

  private synchronized void release(InetAddress from) {
    openInAll--;
    open.computeIfPresent(from, (address, count) -> count == 1 ? null : count - 1);
  }

  @Override
  public void close() {
    for (EventLoopGroup group : List.of(acceptor, workers)) {
      group.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(5_000);
    }
  }
}
