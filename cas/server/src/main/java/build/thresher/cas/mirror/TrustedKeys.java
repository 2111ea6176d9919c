package build.thresher.cas.mirror;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.bouncycastle.bcpg.ArmoredInputStream;
import org.bouncycastle.bcpg.HashAlgorithmTags;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPPublicKey;
import org.bouncycastle.openpgp.PGPPublicKeyRing;
import org.bouncycastle.openpgp.PGPPublicKeyRingCollection;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.PGPSignatureList;
import org.bouncycastle.openpgp.PGPUtil;
import org.bouncycastle.openpgp.bc.BcPGPObjectFactory;
import org.bouncycastle.openpgp.operator.bc.BcKeyFingerprintCalculator;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentVerifierBuilderProvider;

/**
 * The public keys whose signatures somebody's specs must carry. Immutable; keys are read once, at
 * start.
 *
 * <p>A signature counts when it is one of a canonical text, with SHA-256 or a longer SHA-2, by a
 * key that was neither revoked nor over when it was made, that may sign, and that its primary key
 * has bound to itself where it is a subkey.
 *
 * <p>Threading: any thread.
 */
public final class TrustedKeys {
  /** Trusts nobody. */
  public static final TrustedKeys NONE = new TrustedKeys(Map.of(), InstantSource.system());

  private static final int MAX_KEY_BYTES = 16 << 20;
  private static final Set<Integer> HASHES =
      Set.of(HashAlgorithmTags.SHA256, HashAlgorithmTags.SHA384, HashAlgorithmTags.SHA512);

  /** Clocks of two machines differ. */
  private static final long FUTURE_SECONDS = 300;

  private final Map<Long, Trusted> byKeyId;
  private final InstantSource clock;

  private record Trusted(PGPPublicKey primary, PGPPublicKey key) {}

  private TrustedKeys(Map<Long, Trusted> byKeyId, InstantSource clock) {
    this.byKeyId = byKeyId;
    this.clock = clock;
  }

  /**
   * Reads keys as {@code gpg --export} writes them, with or without {@code --armor}.
   *
   * @param file a file, or a directory of such files
   */
  public static TrustedKeys read(Path file, InstantSource clock) throws IOException {
    List<Path> files = new ArrayList<>();
    if (Files.isDirectory(file)) {
      try (Stream<Path> all = Files.list(file)) {
        all.filter(Files::isRegularFile).sorted().forEach(files::add);
      }
    } else if (Files.exists(file)) {
      files.add(file);
    } else {
      throw new IOException("there are no trusted keys at " + file + ": no such file or directory");
    }
    Map<Long, Trusted> keys = new HashMap<>();
    for (Path one : files) {
      if (Files.size(one) > MAX_KEY_BYTES) {
        throw new IOException(one + " is larger than any file of keys");
      }
      addAll(one, Files.readAllBytes(one), keys);
    }
    if (keys.isEmpty()) {
      throw new IOException("there is no OpenPGP public key in " + file);
    }
    return new TrustedKeys(Map.copyOf(keys), clock);
  }

  private static void addAll(Path file, byte[] bytes, Map<Long, Trusted> keys) throws IOException {
    try (InputStream in = PGPUtil.getDecoderStream(new ByteArrayInputStream(bytes))) {
      for (PGPPublicKeyRing ring :
          new PGPPublicKeyRingCollection(in, new BcKeyFingerprintCalculator())) {
        PGPPublicKey primary = ring.getPublicKey();
        for (PGPPublicKey key : ring) {
          if (key.isMasterKey() || isBound(primary, key)) {
            keys.put(key.getKeyID(), new Trusted(primary, key));
          }
        }
      }
    } catch (IOException | PGPException | RuntimeException e) {
      // The library answers some malformed packets with unchecked exceptions.
      throw new IOException("there are no OpenPGP public keys in " + file + ": " + e, e);
    }
  }

  private static boolean isBound(PGPPublicKey primary, PGPPublicKey key) throws PGPException {
    Iterator<PGPSignature> bindings = key.getSignaturesOfType(PGPSignature.SUBKEY_BINDING);
    while (bindings.hasNext()) {
      PGPSignature binding = bindings.next();
      binding.init(new BcPGPContentVerifierBuilderProvider(), primary);
      if (binding.verifyCertification(primary, key)) {
        return true;
      }
    }
    return false;
  }

  /** What somebody said, and the fingerprint of the key that vouches for it. */
  record Verified(String text, String fingerprint) {}

  /**
   * The text of a clear-signed message whose signature counts.
   *
   * @throws BadSignatureException saying why it does not
   */
  Verified verify(String message) throws BadSignatureException {
    ClearSignedText signed = ClearSignedText.parse(message);
    PGPSignature signature = onlySignature(signed);
    Trusted trusted = byKeyId.get(signature.getKeyID());
    if (trusted == null) {
      throw new BadSignatureException(
          "it is signed by the key %016X, which is not trusted here"
              .formatted(signature.getKeyID()));
    }
    requireUsable(trusted, signature);
    try {
      signature.init(new BcPGPContentVerifierBuilderProvider(), trusted.key());
      boolean first = true;
      for (String line : signed.lines()) {
        signature.update(((first ? "" : "\r\n") + line).getBytes(StandardCharsets.UTF_8));
        first = false;
      }
      if (!signature.verify()) {
        throw new BadSignatureException("its signature does not fit its text");
      }
    } catch (PGPException | RuntimeException e) {
      throw new BadSignatureException("its signature cannot be verified: " + e.getMessage());
    }
    return new Verified(
        signed.text(),
        HexFormat.of().formatHex(trusted.primary().getFingerprint()).toUpperCase(Locale.ROOT));
  }

  private static PGPSignature onlySignature(ClearSignedText signed) throws BadSignatureException {
    try (InputStream in =
        new ArmoredInputStream(
            new ByteArrayInputStream(signed.signature().getBytes(StandardCharsets.US_ASCII)))) {
      BcPGPObjectFactory packets = new BcPGPObjectFactory(in);
      if (packets.nextObject() instanceof PGPSignatureList list
          && list.size() == 1
          && packets.nextObject() == null) {
        return list.get(0);
      }
    } catch (IOException | RuntimeException e) {
      throw new BadSignatureException("its signature cannot be read: " + e.getMessage());
    }
    throw new BadSignatureException("it carries something else than one signature");
  }

  private void requireUsable(Trusted trusted, PGPSignature signature) throws BadSignatureException {
    requireThat(
        signature.getSignatureType() == PGPSignature.CANONICAL_TEXT_DOCUMENT,
        "its signature is not one of a text");
    requireThat(
        HASHES.contains(signature.getHashAlgorithm()),
        "its signature uses a hash function that is not trusted");
    Instant made = signature.getCreationTime().toInstant();
    requireThat(
        !made.isAfter(clock.instant().plusSeconds(FUTURE_SECONDS)),
        "it was signed in the future, at " + made);
    requireThat(
        !trusted.primary().hasRevocation() && !trusted.key().hasRevocation(),
        "its key was revoked");
    requireThat(
        isValidAt(trusted.primary(), made) && isValidAt(trusted.key(), made),
        "its key was not valid when it was made, at " + made);
  }

  private static boolean isValidAt(PGPPublicKey key, Instant moment) {
    Instant created = key.getCreationTime().toInstant();
    long seconds = key.getValidSeconds();
    return !moment.isBefore(created)
        && (seconds == 0 || moment.isBefore(created.plusSeconds(seconds)));
  }

  private static void requireThat(boolean holds, String otherwise) throws BadSignatureException {
    if (!holds) {
      throw new BadSignatureException(otherwise);
    }
  }
}
