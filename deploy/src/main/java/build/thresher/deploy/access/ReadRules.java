package build.thresher.deploy.access;

import build.thresher.cas.http.Requester;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.MessageDigest;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Who may read a private instance, besides those who may use the farm: whoever has one of its read
 * tokens, and whoever asks from one of its networks. Tokens are never logged.
 */
public final class ReadRules {
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9_-]{16,128}");

  private final ImmutableList<String> tokens;
  private final ImmutableList<Network> networks;

  private ReadRules(ImmutableList<String> tokens, ImmutableList<Network> networks) {
    this.tokens = tokens;
    this.networks = networks;
  }

  /** Nobody yet. */
  public static ReadRules none() {
    return new ReadRules(ImmutableList.of(), ImmutableList.of());
  }

  /**
   * The same, and the tokens of a file: one on each line, {@code #} begins a comment.
   *
   * @throws IOException also when others may read the file, or a line is no token
   */
  public ReadRules withTokens(Path file) throws IOException {
    Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
    if (permissions.contains(PosixFilePermission.OTHERS_READ)) {
      throw new IOException(
          file + " holds read tokens but everybody may read it; chmod o-r it, and replace them");
    }
    ImmutableList.Builder<String> all = ImmutableList.<String>builder().addAll(tokens);
    int number = 0;
    for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
      number++;
      String token = line.replaceFirst("#.*", "").strip();
      if (!token.isEmpty()) {
        if (!TOKEN.matcher(token).matches()) {
          throw new IOException(
              "%s, line %d: a read token is 16 to 128 letters, digits, `_` and `-`, as `openssl rand -hex 20` makes them"
                  .formatted(file, number));
        }
        all.add(token);
      }
    }
    return new ReadRules(all.build(), networks);
  }

  /**
   * The same, and everybody in a network.
   *
   * @param cidr such as {@code 10.0.0.0/8}
   * @throws IllegalArgumentException when it is no network
   */
  public ReadRules withNetwork(String cidr) {
    return new ReadRules(
        tokens, ImmutableList.<Network>builder().addAll(networks).add(Network.parse(cidr)).build());
  }

  /** What may stand for a secret where a client signs instead of sending it. */
  public ImmutableList<byte[]> secrets() {
    return tokens.stream()
        .map(token -> token.getBytes(StandardCharsets.US_ASCII))
        .collect(ImmutableList.toImmutableList());
  }

  boolean allow(Requester requester) {
    return requester.token().map(this::hasToken).orElse(false)
        || networks.stream().anyMatch(network -> network.contains(requester.address()));
  }

  /** Every token is compared to its end, in a time that does not depend on where it differs. */
  private boolean hasToken(String presented) {
    byte[] bytes = presented.getBytes(StandardCharsets.UTF_8);
    boolean found = false;
    for (byte[] secret : secrets()) {
      found |= MessageDigest.isEqual(secret, bytes);
    }
    return found;
  }
}
