package build.thresher.deploy.access;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;

/**
 * The token of a farm: 256 random bits in a file that only its owner can read. Whoever can read the
 * file may use the farm; there is no other secret. Never logged.
 */
public final class Tokens {
  private static final int RANDOM_BYTES = 32;
  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rw-------");

  private final byte[] token;

  private Tokens(String token) {
    this.token = token.getBytes(StandardCharsets.US_ASCII);
  }

  /**
   * Reads the token, or makes one where there is no file.
   *
   * @throws IOException also when others can read the file: a token that was readable is no secret
   *     any more
   */
  public static Tokens readOrCreate(Path file, SecureRandom random) throws IOException {
    if (!Files.exists(file)) {
      create(file, random);
    }
    return new Tokens(read(file));
  }

  /** The token in a file. */
  public static String read(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new IOException(
          "there is no token in "
              + file
              + ": a farm's server makes one at its first start (access.token_file); copy that file"
              + " here, or name where it is with --token-file");
    }
    String text = Files.readString(file, StandardCharsets.US_ASCII).strip();
    Set<PosixFilePermission> excess = EnumSet.copyOf(Files.getPosixFilePermissions(file));
    excess.removeAll(OWNER_ONLY);
    if (!excess.isEmpty()) {
      throw new IOException(
          file + " holds the farm's token but others may read it; chmod 600 it, and replace it");
    }
    if (text.length() < 16) {
      throw new IOException(file + " holds no token; remove it and start the server again");
    }
    return text;
  }

  /** The same token, compared in a time that does not depend on where it differs. */
  public boolean matches(String presented) {
    return MessageDigest.isEqual(token, presented.getBytes(StandardCharsets.US_ASCII));
  }

  /** The secret itself, for protocols in which a client signs with it instead of sending it. */
  public byte[] secret() {
    return token.clone();
  }

  /** True when the value of an {@code Authorization} header carries this token. */
  public boolean authorizes(String header) {
    String scheme = "Bearer ";
    return header.regionMatches(true, 0, scheme, 0, scheme.length())
        && matches(header.substring(scheme.length()).strip());
  }

  private static void create(Path file, SecureRandom random) throws IOException {
    Path parent = file.toAbsolutePath().getParent();
    if (parent != null) {
      Files.createDirectories(
          parent,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
    byte[] bytes = new byte[RANDOM_BYTES];
    random.nextBytes(bytes);
    byte[] line = (HexFormat.of().formatHex(bytes) + "\n").getBytes(StandardCharsets.US_ASCII);
    try (FileChannel out =
        FileChannel.open(
            file,
            EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(OWNER_ONLY))) {
      ByteBuffer rest = ByteBuffer.wrap(line);
      while (rest.hasRemaining()) {
        out.write(rest);
      }
      out.force(true);
    } catch (FileAlreadyExistsException e) {
      // Another process of this user was first; its token is as good.
    }
  }
}
