package build.thresher.cas.mirror;

import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Date;
import java.util.Locale;
import org.bouncycastle.bcpg.PublicKeyAlgorithmTags;
import org.bouncycastle.bcpg.PublicKeyPacket;
import org.bouncycastle.crypto.generators.Ed25519KeyPairGenerator;
import org.bouncycastle.crypto.params.Ed25519KeyGenerationParameters;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPKeyPair;
import org.bouncycastle.openpgp.operator.bc.BcPGPKeyPair;
import org.bouncycastle.openpgp.operator.jcajce.JcaPGPKeyPair;

/** What kind of key is made where one has to be made; a key that is there stays what it is. */
public enum KeyType {
  /**
   * 3072 bits: as strong as gpg's own default, and every gpg that Spack meets can verify it, CentOS
   * 7's included. A key of 4096 bits takes up to ten seconds to make, which nobody wants at a first
   * start.
   */
  RSA {
    @Override
    PGPKeyPair make(Instant now) throws PGPException, NoSuchAlgorithmException {
      KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
      rsa.initialize(3072);
      return new JcaPGPKeyPair(
          PublicKeyPacket.VERSION_4,
          PublicKeyAlgorithmTags.RSA_GENERAL,
          rsa.generateKeyPair(),
          Date.from(now));
    }
  },

  /**
   * Signs in a fraction of the time. In the form that gpg writes and reads since 2.1, which is why
   * RFC 9580 calls it legacy; its own form for Ed25519 is one that gpg does not read. Where
   * libgcrypt is in FIPS mode and older than 1.11, gpg refuses it.
   */
  ED25519 {
    @Override
    PGPKeyPair make(Instant now) throws PGPException {
      Ed25519KeyPairGenerator ed25519 = new Ed25519KeyPairGenerator();
      ed25519.init(new Ed25519KeyGenerationParameters(new SecureRandom()));
      return new BcPGPKeyPair(
          PublicKeyPacket.VERSION_4,
          PublicKeyAlgorithmTags.EDDSA_LEGACY,
          ed25519.generateKeyPair(),
          Date.from(now));
    }
  };

  /** What {@link #word} says of one of them. */
  public static KeyType of(String word) {
    return valueOf(word.toUpperCase(Locale.ROOT));
  }

  /** As configurations and messages name it. */
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  abstract PGPKeyPair make(Instant now) throws PGPException, NoSuchAlgorithmException;
}
