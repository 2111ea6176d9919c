package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.SpackMirror.ArchiveRefusedException;
import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.mirror.MirrorOptions.PushRules;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.PushedSpecs.Outcome;
import build.thresher.cas.mirror.RawTar.Member;
import com.google.common.collect.ImmutableMap;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each case changes one thing of an archive that real Spack pushed. It must be refused with a
 * sentence that names the entry and the rule, and leave nothing visible and nothing pinned.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RefusedArchivesTest {
  private static final String NAME = "fl-app";
  private static final String PUSHED = "pushed";
  private static final Scope SCOPE = Scope.farm("default");

  private final MemoryBlobStore blobs = new MemoryBlobStore();
  private BuiltSpec built;
  private String prefix;
  private RocksSpackMirror mirror;
  private PushedSpecs pushed;

  @BeforeAll
  void open(@TempDir Path dir) throws Exception {
    built = SpackFixture.builtSpec(blobs, NAME);
    prefix = built.prefix().substring(1);
    MirrorOptions d = SpackFixture.mirrorOptions("default", "other");
    MirrorOptions options =
        new MirrorOptions(
            d.installRoots(),
            Stream.of(PUSHED, "in-order", "in-another-order")
                .collect(
                    ImmutableMap.toImmutableMap(
                        i -> i, i -> new PushRules(TrustedKeys.NONE, true))),
            2 << 20,
            d.maxRatio(),
            200,
            d.indexInterval(),
            d.indexRetention(),
            d.supersededBytes());
    mirror =
        RocksSpackMirror.open(
            dir.resolve("db"), blobs, TestKeys.signers(dir), options, InstantSource.system());
    pushed = new PushedSpecs(mirror, blobs, options);
  }

  @AfterAll
  void close() {
    mirror.close();
  }

  private Stream<WrongArchives.Case> entries() {
    return new WrongArchives(prefix).all();
  }

  private RawTar original() throws Exception {
    return RawTar.parse(SpackFixture.gunzip(SpackFixture.blob(built.archive())));
  }

  private void requireRefused(byte[] archive, String message) throws Exception {
    BuiltSpec bad = with(blobs.put(SCOPE, archive), built.spec());
    requireRefused(bad, message);
    ArchiveRefusedException e =
        assertThrows(ArchiveRefusedException.class, () -> push(PUSHED, bad));
    String said = String.valueOf(e.getMessage());
    assertTrue(said.contains(message), said);
    assertEquals(0, mirror.size(PUSHED));
  }

  /** As somebody who pushes it, who does not say where it was built. */
  private Outcome push(String instance, BuiltSpec spec) throws Exception {
    Manifest manifest =
        new Manifest(
            List.of(
                new Manifest.Part(spec.archive(), spec.archiveMediaType(), "gzip"),
                new Manifest.Part(spec.spec(), spec.specMediaType(), "gzip")));
    return pushed.take(instance, new ManifestText(manifest.json()), "x").outcome();
  }

  private void requireRefused(BuiltSpec bad, String message) {
    int pins = blobs.pins(bad.archive()) + blobs.pins(bad.spec());
    ArchiveRefusedException e =
        assertThrows(ArchiveRefusedException.class, () -> mirror.publish("default", bad));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
    assertTrue(String.valueOf(e.getMessage()).contains(built.node().display()), e.getMessage());
    assertEquals(Optional.empty(), mirror.find("default", built.node().hash()));
    assertEquals(0, mirror.size("default"));
    assertEquals(pins, blobs.pins(bad.archive()) + blobs.pins(bad.spec()));
  }

  private BuiltSpec with(Digest archive, Digest spec) {
    return new BuiltSpec(
        built.node(),
        archive,
        built.archiveMediaType(),
        spec,
        built.specMediaType(),
        built.installRoot(),
        built.prefix(),
        built.provenance());
  }

  @ParameterizedTest
  @MethodSource("entries")
  void anArchiveWithOneWrongThingIsRefusedAndNothingShows(WrongArchives.Case each)
      throws Exception {
    requireRefused(RawTar.gzip(each.change().apply(original()).tar()), each.message());
  }

  @Test
  void everyEntryCutOffAnywhereIsRefused() throws Exception {
    byte[] whole = SpackFixture.blob(built.archive());
    for (int length = 97; length < whole.length; length += 97) {
      requireRefused(Arrays.copyOf(whole, length), "is not a whole gzip file");
    }
    requireRefused(Arrays.copyOf(whole, whole.length - 1), "is not a whole gzip file");
    byte[] tar = original().tar();
    for (int length = 1531; length < tar.length - 1024 - 512 * 17; length += 1531) {
      requireRefused(RawTar.gzip(Arrays.copyOf(tar, length)), "is not a whole gzip file");
    }
  }

  @Test
  void aFileThatIsNotOneGzipMemberIsRefused() throws Exception {
    byte[] whole = SpackFixture.blob(built.archive());
    byte[] tar = original().tar();
    requireRefused(concat(whole, whole), "goes on after its first member");
    requireRefused(concat(whole, RawTar.gzip(new byte[0])), "goes on after its first member");
    requireRefused(
        concat(
            RawTar.gzip(Arrays.copyOf(tar, tar.length / 2)),
            RawTar.gzip(Arrays.copyOfRange(tar, tar.length / 2, tar.length))),
        "is not a whole gzip file");
    requireRefused(concat(whole, new byte[1]), "goes on after its first member");
    requireRefused(concat(whole, new byte[512]), "goes on after its first member");
    requireRefused(tar, "does not begin as a gzip file");
    byte[] flipped = whole.clone();
    flipped[whole.length - 8] ^= 1;
    requireRefused(flipped, "its checksum is wrong");
    flipped = whole.clone();
    flipped[whole.length - 1] ^= 1;
    requireRefused(flipped, "its checksum is wrong");
  }

  @Test
  void aBombCostsNoMoreThanItsLimit() throws Exception {
    requireRefused(RawTar.gzip(new byte[40 << 20]), "unpacks to more than 2097152 bytes");
  }

  @Test
  void anotherSpecBlobIsRefused() throws Exception {
    String json = WrongArchives.specOf(NAME);
    Map<String, String> wrong = new LinkedHashMap<>();
    wrong.put(WrongArchives.specOf("fl-core"), "is that of another spec");
    wrong.put(json.replaceFirst("\"version\":\"1.0\"", "\"version\":\"1.1\""), "other content");
    wrong.put(
        json.replaceFirst("\"name\":\"fl-app\",", "\"name\":\"fl-app\",\"more\":1,"),
        "other content");
    wrong.put(json.replace("\"_meta\":{\"version\":5}", "\"_meta\":{\"version\":4}"), "version 4");
    wrong.put(
        json.replaceFirst("\"fl-core\",\"version\":\"1.0\"", "\"fl-core\",\"version\":\"2\""),
        "does not give its hash");
    wrong.put("[]", "cannot be read");
    wrong.put("", "cannot be read");
    for (Map.Entry<String, String> each : wrong.entrySet()) {
      byte[] gzip = RawTar.gzip(each.getKey().getBytes(StandardCharsets.UTF_8));
      requireRefused(with(built.archive(), blobs.put(SCOPE, gzip)), each.getValue());
    }
    byte[] whole = SpackFixture.blob(built.spec());
    for (byte[] bad : List.of(concat(whole, whole), Arrays.copyOf(whole, whole.length - 3))) {
      requireRefused(with(built.archive(), blobs.put(SCOPE, bad)), "is not a whole gzip file");
    }
    requireRefused(with(built.spec(), built.archive()), "the spec blob");
  }

  @Test
  void otherMediaTypesAreRefused() {
    for (String type : List.of("", "application/x-tar", built.specMediaType())) {
      BuiltSpec bad =
          new BuiltSpec(
              built.node(),
              built.archive(),
              type,
              built.spec(),
              built.specMediaType(),
              built.installRoot(),
              built.prefix(),
              built.provenance());
      ArchiveRefusedException e =
          assertThrows(ArchiveRefusedException.class, () -> mirror.publish("default", bad));
      assertTrue(String.valueOf(e.getMessage()).contains("`" + type + "` is no media type"));
    }
  }

  /**
   * What must not be refused: the same archive written anew, and links that honest packages have.
   */
  @Test
  void whatHonestPackagesHoldIsAccepted() throws Exception {
    String bin = prefix + "/bin";
    RawTar tar =
        original()
            .append('2', bin + "/own", "/" + bin + "/fl-app")
            .append('2', bin + "/dependency", "/opt/farmlab/store/linux-x86_64_v3/other/lib/x.so")
            .append('2', bin + "/host", "/etc/localtime")
            .append('2', bin + "/relative", "../../other-1.0/lib/liba.so")
            .append('2', bin + "/dangling", "nothing")
            .append('1', bin + "/hard", bin + "/fl-app")
            .append('0', bin + "/naïve name with blanks\t", "")
            .append(Member.gnuLong('L', bin + "/gnu"), Member.of('0', "x", "", new byte[0]));
    new WrongArchives(prefix)
        .facts(tar, "relocate_links: []", "relocate_links: [bin/own, bin/dependency]");
    BuiltSpec honest = with(blobs.put(SCOPE, RawTar.gzip(tar.tar())), built.spec());
    mirror.publish("other", honest);
    assertEquals(1, blobs.pins(honest.archive()));
    assertEquals(1, mirror.size("other"));
  }

  @Test
  void anArchiveInSpacksOrderIsReadOnceAndAnyOtherIsTakenToo() throws Exception {
    BuiltSpec inOrder = with(blobs.put(SCOPE, RawTar.gzip(original().tar())), built.spec());
    assertEquals(Outcome.PUBLISHED, push("in-order", inOrder));
    assertEquals(1, blobs.reads(inOrder.archive()));
    RawTar tar = original();
    int below = tar.members.indexOf(tar.find(prefix)) + 1;
    String early = prefix + "/+early";
    RawTar first =
        new RawTar()
            .append('5', early, "")
            .append('0', early + "/file", "")
            .append('5', early + "/.spack", "")
            .append('0', early + "/.spack/spec.json", "");
    tar.members.addAll(below, first.members);
    BuiltSpec otherwise = with(blobs.put(SCOPE, RawTar.gzip(tar.tar())), built.spec());
    assertEquals(Outcome.PUBLISHED, push("in-another-order", otherwise));
  }

  @Test
  void aPathThatATerminalWouldObeyIsNoPlaceToBeBuiltAt() {
    for (String unfit : List.of("\n", "\u001b[2J", "\u009b2J", "\u202e")) {
      BuiltSpec bad =
          new BuiltSpec(
              built.node(),
              built.archive(),
              built.archiveMediaType(),
              built.spec(),
              built.specMediaType(),
              built.installRoot(),
              built.prefix() + unfit,
              built.provenance());
      ArchiveRefusedException e =
          assertThrows(ArchiveRefusedException.class, () -> mirror.publish("default", bad));
      String said = String.valueOf(e.getMessage());
      assertTrue(said.contains("is no plain absolute path"), said);
      assertFalse(said.contains(unfit), "the message has it");
    }
  }

  private static byte[] concat(byte[] a, byte[] b) {
    byte[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }
}
