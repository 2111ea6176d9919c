package build.thresher.cas.sources;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;

/** Which addresses a client may make the farm connect to, and how they are shown. */
final class Addresses {
  private Addresses() {}

  /**
   * An address as logs and other clients may see it: without user, password and query, which may be
   * secret. One that has no host is not shown at all.
   */
  static String shown(URI uri) {
    if ("file".equals(uri.getScheme())) {
      return uri.toString();
    }
    String host = uri.getHost();
    if (host == null) {
      return "an address without a host";
    }
    String port = uri.getPort() < 0 ? "" : ":" + uri.getPort();
    String query = uri.getRawQuery() == null ? "" : "?…";
    return uri.getScheme() + "://" + host + port + uri.getRawPath() + query;
  }

  /**
   * Resolves a host once. The caller connects to what is returned, so that a second answer of the
   * name server cannot lead elsewhere.
   */
  static InetAddress resolve(String host, boolean allowPrivate) throws FetchException {
    InetAddress[] all;
    try {
      all = InetAddress.getAllByName(host);
    } catch (UnknownHostException e) {
      throw new FetchException(
          FetchException.Reason.UNREACHABLE, "the host " + host + " is not known", e);
    }
    for (InetAddress address : all) {
      if (!allowPrivate && !isPublic(address)) {
        throw new FetchException(
            FetchException.Reason.FORBIDDEN,
            "the host %s has the address %s, which is not public; the server's owner can allow it"
                .formatted(host, address.getHostAddress()));
      }
    }
    return all[0];
  }

  static boolean isPublic(InetAddress address) {
    if (address.isAnyLocalAddress()
        || address.isLoopbackAddress()
        || address.isLinkLocalAddress()
        || address.isSiteLocalAddress()
        || address.isMulticastAddress()) {
      return false;
    }
    byte[] b = address.getAddress();
    return address instanceof Inet6Address ? isPublic6(b) : isPublic4(b);
  }

  /** IANA's special-purpose registry, what the JDK's predicates leave out of it. */
  private static boolean isPublic4(byte[] b) {
    int first = b[0] & 0xff;
    int second = b[1] & 0xff;
    boolean sharedSpace = first == 100 && second >= 64 && second < 128;
    boolean protocolOrTest = first == 192 && second == 0;
    boolean benchmark = first == 198 && (second == 18 || second == 19);
    return first != 0 && first < 240 && !sharedSpace && !protocolOrTest && !benchmark;
  }

  /**
   * Global unicast is 2000::/3; within it, ranges that carry an IPv4 address are judged by that.
   */
  private static boolean isPublic6(byte[] b) {
    boolean globalUnicast = (b[0] & 0xe0) == 0x20;
    boolean sixToFour = b[0] == 0x20 && b[1] == 0x02;
    boolean teredo = b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0;
    return globalUnicast && !sixToFour && !teredo;
  }
}
