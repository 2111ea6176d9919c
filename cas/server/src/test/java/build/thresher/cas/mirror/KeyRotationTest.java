package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.mirror.KeyRotation.State;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** New keys take the places of old ones; gpg verifies what is served at every moment. */
class KeyRotationTest {
  private static final String KEYS = "v3/manifests/key/keys.manifest.json";

  @TempDir Path dir;
  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private KeyType made = KeyType.ED25519;
  private Signers signers;
  private RocksSpackMirror mirror;
  private KeyRotation rotation;

  @BeforeEach
  void open() throws Exception {
    signers =
        new SignersInDirectory(dir.resolve("keys"), "test farm", InstantSource.system(), made);
    mirror =
        RocksSpackMirror.open(
            dir.resolve("db"),
            blobs,
            signers,
            SpackFixture.mirrorOptions("default"),
            InstantSource.system());
    rotation = KeyRotation.start(mirror);
    for (BuiltSpec built : SpackFixture.builtSpecs(blobs)) {
      mirror.publish("default", built);
    }
  }

  @AfterEach
  void close() {
    rotation.close();
    mirror.close();
  }

  private String text(String path) throws Exception {
    return PublishedState.text(mirror, blobs, "default", path);
  }

  /** Trusts what the mirror serves now, as a client would. */
  private void trustServedKeys() throws Exception {
    String index = PublishedState.checksums(text(KEYS)).getFirst();
    for (String word : text(PublishedState.blobPath(index)).split("\"", -1)) {
      if (word.length() == 40) {
        String manifest = text("v3/manifests/key/" + word + ".key.manifest.json");
        String key = text(PublishedState.blobPath(PublishedState.checksums(manifest).getFirst()));
        assertEquals(0, gpg(key, "--import"), word);
      }
    }
  }

  private void requireVerified() throws Exception {
    assertEquals(7, mirror.specManifests("default").size());
    for (String path : mirror.specManifests("default")) {
      assertEquals(0, gpg(text(path), "--verify"), path);
    }
  }

  private int gpg(String input, String command) throws Exception {
    Path home = dir.resolve("gnupg");
    if (!Files.exists(home)) {
      Files.createDirectory(home).toFile().setReadable(true, true);
    }
    Path file = Files.writeString(dir.resolve("input"), input);
    try {
      return new ProcessBuilder(
              "gpg", "--batch", "--no-tty", "--homedir", home.toString(), command, file.toString())
          .redirectErrorStream(true)
          .redirectOutput(new File("/dev/null"))
          .start()
          .waitFor();
    } catch (java.io.IOException e) {
      Assumptions.abort("SKIPPED: gpg is not installed");
      return -1;
    }
  }

  private void awaitOneKey() throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (rotation.status("default").keys().size() > 1) {
      assertTrue(System.nanoTime() < deadline, "the rotation does not end");
      requireVerified();
    }
  }

  @Test
  void everyManifestVerifiesBeforeWhileAndAfterTheKeyChanges() throws Exception {
    close();
    made = KeyType.RSA;
    open();
    requireSignedBy(KeyType.ED25519);
    String old = mirror.fingerprint("default");
    trustServedKeys();
    requireVerified();
    assertEquals(2, rotation.announce("default").keys().size());
    assertEquals(old, mirror.fingerprint("default"), "announced keys sign nothing");
    assertEquals(State.ANNOUNCED, rotation.announce("default").keys().getLast().state());
    trustServedKeys();
    rotation.rotate("default");
    awaitOneKey();
    String now = mirror.fingerprint("default");
    assertFalse(now.equals(old));
    requireVerified();
    requireSignedBy(KeyType.RSA);
    close();
    deleteKnownKeys();
    open();
    assertTrue(mirror.get("default", "v3/manifests/key/" + old + ".key.manifest.json").isEmpty());
    assertEquals(now, mirror.fingerprint("default"));
    trustServedKeys();
    requireVerified();
    close();
    made = KeyType.ED25519;
    open();
    requireSignedBy(KeyType.RSA);
    rotation.announce("default");
    trustServedKeys();
    rotation.rotate("default");
    awaitOneKey();
    requireSignedBy(KeyType.ED25519);
    requireVerified();
  }

  private void requireSignedBy(KeyType type) {
    assertEquals(
        List.of(type),
        rotation.status("default").keys().stream().map(KeyRotation.Key::type).toList());
  }

  /** A client that never saw the old key. */
  private void deleteKnownKeys() throws Exception {
    try (var files = Files.list(dir.resolve("gnupg"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.delete(file);
      }
    }
  }

  @Test
  void aRotationThatWasCutOffGoesOnFromWhereItWas() throws Exception {
    trustServedKeys();
    String next = signers.makeNext("default").fingerprint();
    MirrorDb.Changes changes = mirror.db().changes();
    List<String> hashes =
        mirror.require("default").all().stream().map(s -> s.hash().text()).sorted().toList();
    new Rotation(next, hashes.get(3)).put("default", changes);
    mirror.db().write(changes);
    close();
    open();
    trustServedKeys();
    awaitOneKey();
    assertEquals(next, mirror.fingerprint("default"));
    // What comes before was said to be signed anew already, and was not looked at again.
    deleteKnownKeys();
    trustServedKeys();
    int byNext = 0;
    for (String path : mirror.specManifests("default")) {
      byNext += gpg(text(path), "--verify") == 0 ? 1 : 0;
    }
    assertEquals(3, byNext);
  }

  @Test
  void aCrashAfterTheKeyIsInItsPlaceChangesNothing() throws Exception {
    trustServedKeys();
    String next = signers.makeNext("default").fingerprint();
    MirrorDb.Changes changes = mirror.db().changes();
    new Rotation(next, "zzzz").put("default", changes);
    mirror.db().write(changes);
    signers.adoptNext("default");
    close();
    open();
    assertEquals(1, rotation.status("default").keys().size());
    assertEquals(next, mirror.fingerprint("default"));
    assertEquals(null, Rotation.find("default", mirror.db()));
  }
}
