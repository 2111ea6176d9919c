package build.thresher.deploy;

import io.grpc.util.CertificateUtils;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** Certificates as administrators have them. */
final class PemFiles {
  private PemFiles() {}

  /**
   * A server's side of TLS.
   *
   * @param key PKCS#8, not encrypted
   * @throws IOException naming the file that is no good
   */
  static SSLContext context(Path certificateChain, Path key) throws IOException {
    try {
      KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null, null);
      store.setKeyEntry("server", privateKey(key), new char[0], chain(certificateChain));
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store, new char[0]);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys.getKeyManagers(), null, null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IOException(
          "tls.certificate " + certificateChain + " and tls.key " + key + " do not work together",
          e);
    }
  }

  private static X509Certificate[] chain(Path file) throws IOException {
    try (InputStream in = open("tls.certificate", file)) {
      return CertificateUtils.getX509Certificates(in);
    } catch (GeneralSecurityException e) {
      throw new IOException("tls.certificate " + file + " holds no PEM certificate", e);
    }
  }

  private static PrivateKey privateKey(Path file) throws IOException {
    try (InputStream in = open("tls.key", file)) {
      return CertificateUtils.getPrivateKey(in);
    } catch (GeneralSecurityException e) {
      throw new IOException("tls.key " + file + " holds no PKCS#8 key in PEM form", e);
    }
  }

  private static InputStream open(String key, Path file) throws IOException {
    try {
      return Files.newInputStream(file);
    } catch (NoSuchFileException e) {
      throw new IOException(key + " names " + file + ", which is not there", e);
    }
  }
}
