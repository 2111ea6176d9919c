package build.thresher.deploy;

import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.List;

/**
 * Where a server may listen: what leaves the machine is encrypted, what is open stays on the
 * machine.
 */
final class ListenRules {
  private ListenRules() {}

  /**
   * @throws ConfigException naming the key and what to set instead
   */
  static void check(FarmConfig config) throws ConfigException {
    boolean tls = !config.get(Key.TLS_CERTIFICATE).isEmpty() && !config.get(Key.TLS_KEY).isEmpty();
    if (config.get(Key.TLS_CERTIFICATE).isEmpty() != config.get(Key.TLS_KEY).isEmpty()) {
      throw new ConfigException("tls.certificate and tls.key go together; only one is set");
    }
    if (!config.get(Key.TLS_CLIENT_CA).isEmpty() && !tls) {
      throw new ConfigException("tls.client_ca needs tls.certificate and tls.key too");
    }
    checkOne(config, Key.GRPC_LISTEN, tls);
    checkOne(config, Key.HTTP_LISTEN, tls);
  }

  /**
   * Says that a port is taken before anything is opened: a farm without one of its ports is none.
   *
   * @throws ConfigException naming the key
   */
  static void checkFree(FarmConfig config) throws ConfigException {
    for (Key<InetSocketAddress> key : List.of(Key.GRPC_LISTEN, Key.HTTP_LISTEN)) {
      InetSocketAddress address = config.get(key);
      try (ServerSocket probe = new ServerSocket()) {
        probe.setReuseAddress(true); // connections of a server before this one may still fade away
        probe.bind(address);
      } catch (IOException e) {
        throw new ConfigException(
            "cannot listen on "
                + key.name()
                + " "
                + address.getAddress().getHostAddress()
                + ":"
                + address.getPort()
                + " ("
                + e.getMessage()
                + "): is another `thresher serve` running? Stop it, or set another port");
      }
    }
  }

  private static void checkOne(FarmConfig config, Key<InetSocketAddress> key, boolean tls)
      throws ConfigException {
    InetSocketAddress address = config.get(key);
    if (address.getAddress().isLoopbackAddress()) {
      return;
    }
    if (!tls) {
      throw new ConfigException(
          key.name()
              + " is "
              + address
              + ", which other machines reach: set tls.certificate and tls.key, or listen on"
              + " 127.0.0.1");
    }
    if (config.get(Key.OPEN)) {
      throw new ConfigException(
          "access.open is for loopback only, but " + key.name() + " is " + address);
    }
  }
}
