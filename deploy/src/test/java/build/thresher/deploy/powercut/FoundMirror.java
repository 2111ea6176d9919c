package build.thresher.deploy.powercut;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.PublishedSpec;
import build.thresher.cas.mirror.KeyType;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.mirror.Signers;
import build.thresher.cas.mirror.TrustedKeys;
import build.thresher.cas.store.RocksBlobStore;
import build.thresher.deploy.powercut.Ledger.Published;
import build.thresher.deploy.powercut.Names.Name;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The mirrors that are found after a power cut: what was published, and the keys it is signed with.
 */
final class FoundMirror {
  /** One for each client, so that each publishes something new. */
  static final ImmutableList<String> INSTANCES = ImmutableList.of("m0", "m1", "m2", "m3");

  private FoundMirror() {}

  /**
   * @param data of the farm whose power was cut, as it is without the cut
   */
  static int check(
      Path found, Path data, RocksBlobStore blobs, List<Published> published, List<Name> names)
      throws IOException {
    if (!Files.exists(found.resolve("mirror"))) {
      assertEquals(List.of(), published);
      assertEquals(List.of(), names);
      return 0;
    }
    PushRules anybody = new PushRules(TrustedKeys.NONE, true);
    MirrorOptions options =
        MirrorOptions.of(ImmutableMap.of())
            .withPushed(ImmutableMap.copyOf(Maps.toMap(takingPushes(), i -> anybody)));
    InstantSource clock = InstantSource.system();
    Signers signers = Signers.inDirectory(found.resolve("signer"), "found", clock, KeyType.RSA);
    try (RocksSpackMirror mirror =
        RocksSpackMirror.open(found.resolve("mirror"), blobs, signers, options, clock)) {
      for (Published one : published) {
        PublishedSpec spec =
            mirror
                .find(one.instance(), one.hash())
                .orElseThrow(() -> new AssertionError("published and lost: " + one));
        for (Digest blob : List.of(spec.archive(), spec.spec())) {
          byte[] bytes = blobs.readAll(Scope.farm(one.instance()), blob);
          assertEquals(blob, Digest.of(bytes), "published and damaged");
        }
        sameKey(data.resolve("signer/%" + one.instance()), found.resolve("signer"));
      }
      return published.size() + new FoundNames(found, blobs, mirror, options).check(names);
    }
  }

  private static Set<String> takingPushes() {
    return ImmutableSet.<String>builder().addAll(INSTANCES).add(Names.IMAGES).build();
  }

  /** What was signed with a key can be checked only as long as the key is served. */
  private static void sameKey(Path made, Path foundSigner) throws IOException {
    try (Stream<Path> files = Files.list(made)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path there = foundSigner.resolve(made.getFileName()).resolve(file.getFileName());
        assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(there), there.toString());
      }
    }
  }
}
