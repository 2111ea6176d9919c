package build.thresher.deploy.e2e;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * An authority of the site, and what it certifies for a server on this machine, in PEM.
 *
 * @param authority what clients trust
 * @param certificate of localhost and 127.0.0.1, with the authority's behind it
 * @param key of the certificate, PKCS#8
 * @param client a certificate of a person, of the same authority
 * @param clientKey of that
 */
record Certificates(Path authority, Path certificate, Path key, Path client, Path clientKey) {
  private static final String PASSWORD = "not-secret";

  /** Makes new ones in a directory, which it makes too. */
  static Certificates make(Path directory) throws Exception {
    Files.createDirectories(directory);
    Path store = directory.resolve("store.p12");
    pair(store, "authority", "bc:critical=ca:true");
    pair(store, "farm", "san=dns:localhost,ip:127.0.0.1", "-signer", "authority");
    pair(store, "person", "eku=clientAuth", "-signer", "authority");
    KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD.toCharArray());
    Certificates made =
        new Certificates(
            directory.resolve("authority.pem"),
            directory.resolve("certificate.pem"),
            directory.resolve("key.pem"),
            directory.resolve("client.pem"),
            directory.resolve("client-key.pem"));
    byte[] authority = keys.getCertificate("authority").getEncoded();
    Files.writeString(made.authority(), pem("CERTIFICATE", authority));
    write(keys, "farm", made.certificate(), made.key());
    write(keys, "person", made.client(), made.clientKey());
    return made;
  }

  private static void write(KeyStore keys, String name, Path certificate, Path key)
      throws Exception {
    StringBuilder chain = new StringBuilder();
    for (Certificate one : keys.getCertificateChain(name)) {
      chain.append(pem("CERTIFICATE", one.getEncoded()));
    }
    Files.writeString(certificate, chain.toString());
    byte[] secret = keys.getKey(name, PASSWORD.toCharArray()).getEncoded();
    Files.writeString(key, pem("PRIVATE KEY", secret));
  }

  /** As settings of a server. */
  String[] settings(String... others) {
    List<String> all = new ArrayList<>(List.of(others));
    all.add("tls.certificate=" + certificate);
    all.add("tls.key=" + key);
    return all.toArray(String[]::new);
  }

  private static void pair(Path store, String name, String extension, String... more)
      throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                name,
                "-keyalg",
                "EC",
                "-groupname",
                "secp256r1",
                "-dname",
                "CN=" + name,
                "-ext",
                extension,
                "-validity",
                "7",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                PASSWORD));
    command.addAll(List.of(more));
    Processes.run(store.resolveSibling(".").normalize(), Map.of(), command).succeeded();
  }

  private static String pem(String label, byte[] content) {
    String base64 =
        Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII)).encodeToString(content);
    return "-----BEGIN " + label + "-----\n" + base64 + "\n-----END " + label + "-----\n";
  }
}
