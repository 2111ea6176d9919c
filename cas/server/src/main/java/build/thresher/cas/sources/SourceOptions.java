package build.thresher.cas.sources;

import com.google.common.collect.ImmutableList;
import java.net.URI;
import java.time.Duration;

/**
 * Where sources come from.
 *
 * @param mirrors Spack source mirrors, asked first and in this order: {@code file:} directories or
 *     http(s) base addresses; configured by the server's owner and therefore trusted with any
 *     address
 * @param allowPrivateAddresses whether addresses that clients name may lead into private networks
 * @param pullThrough whether who reads a source mirror has what it lacks fetched from the mirrors
 * @param git whether the server's git fetches commits
 * @param maxBytes a larger file is refused
 * @param readTimeout a peer that sends nothing for so long is given up
 * @param fetchTimeout one address may take so long in all
 * @param reserveBytes stay free on the disk, whatever is fetched
 */
public record SourceOptions(
    ImmutableList<URI> mirrors,
    boolean allowPrivateAddresses,
    boolean pullThrough,
    boolean git,
    long maxBytes,
    Duration readTimeout,
    Duration fetchTimeout,
    long reserveBytes) {

  public static SourceOptions defaults() {
    return new SourceOptions(
        ImmutableList.of(),
        false,
        true,
        true,
        8L << 30,
        Duration.ofSeconds(30),
        Duration.ofMinutes(30),
        0);
  }
}
