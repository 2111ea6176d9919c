package build.thresher.deploy.access;

import java.math.BigInteger;
import java.net.InetAddress;

/**
 * Addresses with a common beginning, written {@code 10.0.0.0/8} or {@code fd00::/8}; one address
 * alone is a network too. Nothing is looked up by name.
 */
record Network(InetAddress base, int prefixBits) {

  /**
   * @throws IllegalArgumentException saying what is wrong
   */
  static Network parse(String text) {
    int slash = text.indexOf('/');
    InetAddress base = InetAddress.ofLiteral(slash < 0 ? text : text.substring(0, slash));
    int size = base.getAddress().length * Byte.SIZE;
    String bits = slash < 0 ? Integer.toString(size) : text.substring(slash + 1);
    if (!bits.matches("\\d{1,3}") || Integer.parseInt(bits) > size) {
      throw new IllegalArgumentException(
          "`" + text + "` is no network: after the slash stands a number of bits up to " + size);
    }
    return new Network(base, Integer.parseInt(bits));
  }

  /**
   * @param address numeric
   */
  boolean contains(String address) {
    byte[] there;
    try {
      there = InetAddress.ofLiteral(address.replaceFirst("%.*", "")).getAddress();
    } catch (IllegalArgumentException e) {
      return false;
    }
    byte[] here = base.getAddress();
    int rest = here.length * Byte.SIZE - prefixBits;
    return here.length == there.length
        && new BigInteger(1, here)
            .shiftRight(rest)
            .equals(new BigInteger(1, there).shiftRight(rest));
  }
}
