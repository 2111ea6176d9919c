package build.thresher.cas.mirror;

import build.thresher.cas.api.SyncedDirectories;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.NoSuchAlgorithmException;
import java.time.InstantSource;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.bouncycastle.bcpg.ArmoredOutputStream;
import org.bouncycastle.bcpg.BCPGOutputStream;
import org.bouncycastle.bcpg.HashAlgorithmTags;
import org.bouncycastle.bcpg.PublicKeyAlgorithmTags;
import org.bouncycastle.bcpg.sig.KeyFlags;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPKeyPair;
import org.bouncycastle.openpgp.PGPKeyRingGenerator;
import org.bouncycastle.openpgp.PGPPrivateKey;
import org.bouncycastle.openpgp.PGPPublicKey;
import org.bouncycastle.openpgp.PGPSecretKey;
import org.bouncycastle.openpgp.PGPSecretKeyRing;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.PGPSignatureGenerator;
import org.bouncycastle.openpgp.PGPSignatureSubpacketGenerator;
import org.bouncycastle.openpgp.PGPUtil;
import org.bouncycastle.openpgp.operator.bc.BcKeyFingerprintCalculator;
import org.bouncycastle.openpgp.operator.bc.BcPBESecretKeyDecryptorBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentSignerBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPDigestCalculatorProvider;

/**
 * The key of a mirror. It is made at first start, kept in a directory that only the server's user
 * can enter, and never leaves this class; what leaves are signatures and the public key.
 *
 * <p>Keys and signatures are of version 4, the hash function is SHA-512.
 *
 * <p>Threading: any thread.
 */
public final class Signer {
  private static final String FILE = "signing-key.pgp";
  private static final String NEXT_FILE = "next-signing-key.pgp";

  private final PGPPublicKey publicKey;
  private final PGPPrivateKey privateKey;
  private final byte[] armoredPublicKey;
  private final InstantSource clock;

  private Signer(PGPSecretKeyRing ring, InstantSource clock) throws IOException, PGPException {
    PGPSecretKey secret = ring.getSecretKey();
    this.publicKey = secret.getPublicKey();
    this.privateKey =
        secret.extractPrivateKey(
            new BcPBESecretKeyDecryptorBuilder(new BcPGPDigestCalculatorProvider())
                .build(new char[0]));
    this.armoredPublicKey = armored(publicKey);
    this.clock = clock;
  }

  /** Opens the key in this directory, or makes one of this type (RSA: about a second, once). */
  public static Signer open(Path dir, String userId, InstantSource clock, KeyType type)
      throws IOException {
    return openOrMake(dir, FILE, userId, clock, type);
  }

  /** The key that will take the place of the one in this directory. */
  static Optional<Signer> next(Path dir, InstantSource clock) throws IOException {
    return Files.exists(dir.resolve(NEXT_FILE))
        ? Optional.of(read(dir.resolve(NEXT_FILE), clock))
        : Optional.empty();
  }

  static Signer makeNext(Path dir, String userId, InstantSource clock, KeyType type)
      throws IOException {
    return openOrMake(dir, NEXT_FILE, userId, clock, type);
  }

  /** The next key is the key; once done, nothing more to do. */
  static void adoptNext(Path dir) throws IOException {
    if (Files.exists(dir.resolve(NEXT_FILE))) {
      move(dir, dir.resolve(NEXT_FILE), dir.resolve(FILE));
    }
  }

  private static Signer openOrMake(
      Path dir, String name, String userId, InstantSource clock, KeyType type) throws IOException {
    SyncedDirectories.create(dir);
    Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwx------"));
    Path file = dir.resolve(name);
    if (!Files.exists(file)) {
      try {
        write(dir, file, generate(userId, clock, type));
      } catch (PGPException | NoSuchAlgorithmException e) {
        throw new IOException("this Java cannot make the signing key, " + type, e);
      }
    }
    return read(file, clock);
  }

  /** 40 upper-case hexadecimal characters. */
  public String fingerprint() {
    return HexFormat.of().formatHex(publicKey.getFingerprint()).toUpperCase(Locale.ROOT);
  }

  /** Of what kind it is, whatever is made today. */
  public KeyType type() {
    return publicKey.getAlgorithm() == PublicKeyAlgorithmTags.EDDSA_LEGACY
        ? KeyType.ED25519
        : KeyType.RSA;
  }

  /** The public key, ASCII-armored, as {@code gpg --import} wants it. */
  public byte[] publicKey() {
    return armoredPublicKey.clone();
  }

  /**
   * An OpenPGP clear-signed message of this text.
   *
   * @param text lines without trailing white space
   */
  String clearSign(String text) throws IOException {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream(text.length() + 1024);
      try (ArmoredOutputStream armor = ArmoredOutputStream.builder().clearHeaders().build(out)) {
        PGPSignature signature = sign(text);
        armor.beginClearText(HashAlgorithmTags.SHA512);
        armor.write(text.getBytes(StandardCharsets.UTF_8));
        armor.write('\n');
        armor.endClearText();
        signature.encode(new BCPGOutputStream(armor));
      }
      return out.toString(StandardCharsets.UTF_8);
    } catch (PGPException e) {
      throw new IOException("could not sign", e);
    }
  }

  /** Lines are signed with CR LF between them and none after the last (RFC 9580, 7.1 and 7.2). */
  private PGPSignature sign(String text) throws PGPException {
    PGPSignatureGenerator generator =
        new PGPSignatureGenerator(
            new BcPGPContentSignerBuilder(publicKey.getAlgorithm(), HashAlgorithmTags.SHA512),
            publicKey);
    generator.init(PGPSignature.CANONICAL_TEXT_DOCUMENT, privateKey);
    PGPSignatureSubpacketGenerator hashed = new PGPSignatureSubpacketGenerator();
    hashed.setSignatureCreationTime(false, Date.from(clock.instant()));
    hashed.setIssuerFingerprint(false, publicKey);
    generator.setHashedSubpackets(hashed.generate());
    List<String> lines = text.lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      String line = (i == 0 ? "" : "\r\n") + lines.get(i).stripTrailing();
      generator.update(line.getBytes(StandardCharsets.UTF_8));
    }
    return generator.generate();
  }

  private static PGPSecretKeyRing generate(String userId, InstantSource clock, KeyType type)
      throws PGPException, NoSuchAlgorithmException {
    PGPKeyPair pair = type.make(clock.instant());
    PGPSignatureSubpacketGenerator hashed = new PGPSignatureSubpacketGenerator();
    hashed.setKeyFlags(false, KeyFlags.SIGN_DATA | KeyFlags.CERTIFY_OTHER);
    return new PGPKeyRingGenerator(
            PGPSignature.POSITIVE_CERTIFICATION,
            pair,
            userId,
            new BcPGPDigestCalculatorProvider().get(HashAlgorithmTags.SHA1),
            hashed.generate(),
            null,
            new BcPGPContentSignerBuilder(
                pair.getPublicKey().getAlgorithm(), HashAlgorithmTags.SHA512),
            null)
        .generateSecretKeyRing();
  }

  private static void write(Path dir, Path file, PGPSecretKeyRing ring) throws IOException {
    Path temporary = dir.resolve(FILE + ".new");
    Files.deleteIfExists(temporary);
    try (FileChannel channel =
        FileChannel.open(
            temporary,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
      var bytes = ByteBuffer.wrap(ring.getEncoded());
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(true);
    }
    move(dir, temporary, file);
  }

  private static void move(Path dir, Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    try (FileChannel directory = FileChannel.open(dir, StandardOpenOption.READ)) {
      directory.force(true);
    }
  }

  private static Signer read(Path file, InstantSource clock) throws IOException {
    try {
      return new Signer(
          new PGPSecretKeyRing(
              PGPUtil.getDecoderStream(new ByteArrayInputStream(Files.readAllBytes(file))),
              new BcKeyFingerprintCalculator()),
          clock);
    } catch (PGPException e) {
      throw new IOException(
          "the signing key "
              + file
              + " cannot be read; restore it from a backup, or move it away"
              + " so that a new one is made (clients must then trust the new key)",
          e);
    }
  }

  private static byte[] armored(PGPPublicKey key) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ArmoredOutputStream armor = ArmoredOutputStream.builder().clearHeaders().build(out)) {
      key.encode(armor);
    }
    return out.toByteArray();
  }
}
