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
import java.util.function.UnaryOperator;
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

  /**
   * @param message what the refusal says, among other things
   */
  private record Case(String name, UnaryOperator<RawTar> change, String message) {
    @Override
    public String toString() {
      return name;
    }
  }

  private Stream<Case> entries() {
    String exe = prefix + "/bin/fl-app";
    String bin = prefix + "/bin";
    byte[] none = new byte[0];
    return Stream.of(
        new Case(
            "absolute name",
            t -> t.append('0', "/etc/cron.d/evil", ""),
            "the name `/etc/cron.d/evil`"),
        new Case(
            "name with ..",
            t -> t.append('0', bin + "/../../../evil", ""),
            "the name `" + bin + "/../../../evil`"),
        new Case("name with .", t -> t.append('0', bin + "/./evil", ""), "/./evil`"),
        new Case("empty component", t -> t.append('0', bin + "//evil", ""), "//evil`"),
        new Case(
            "entry outside the prefix",
            t -> t.append(Member.of('0', "etc/passwd", "", none)),
            "the entry `etc/passwd` outside its prefix"),
        new Case(
            "entry beside the prefix, with the same beginning",
            t -> t.append('0', prefix + "-evil", ""),
            "-evil` outside its prefix"),
        new Case(
            "directory beside the prefix",
            t -> t.append('5', "opt/farmlab/other", ""),
            "`opt/farmlab/other` outside its prefix"),
        new Case(
            "parent of the prefix as a link",
            t -> t.change("opt", m -> m.type('2').text(157, 100, "/tmp").text(0, 100, "opt")),
            "`opt` outside its prefix"),
        new Case(
            "PAX path with a leading slash",
            t -> t.append('0', "/" + prefix + "/evil", ""),
            "the name `/" + prefix),
        new Case(
            "hard link by PAX linkpath with a leading slash",
            t -> t.append('1', bin + "/evil", "/" + exe),
            "to `/" + exe + "`, which is no earlier file"),
        new Case(
            "PAX path over a harmless name",
            t ->
                t.append(
                    Member.pax("path=etc/passwd"), Member.of('0', "opt/farmlab/store", "", none)),
            "`etc/passwd` outside its prefix"),
        new Case(
            "GNU long name outside",
            t ->
                t.append(
                    Member.gnuLong('L', "tmp/" + "a".repeat(200)), Member.of('0', "x", "", none)),
            "outside its prefix"),
        new Case(
            "GNU and PAX name for one entry",
            t ->
                t.append(
                    Member.gnuLong('L', bin + "/a"),
                    Member.pax("path=" + bin + "/b"),
                    Member.of('0', "x", "", none)),
            "a PAX and a GNU header for one entry"),
        new Case(
            "GNU header with a prefix field",
            t ->
                t.append(
                    Member.of('0', "x", "", none).text(257, 8, "ustar  ").text(345, 155, "etc")),
            "a GNU header with a prefix"),
        new Case(
            "POSIX prefix field that leads out",
            t -> t.append(Member.of('0', "x", "", none).text(345, 155, "../../tmp")),
            "the name `../../tmp/x`"),
        new Case(
            "global PAX header",
            t -> t.append(Member.pax("path=etc").type('g')),
            "the entry `././@PaxHeader` with content"),
        new Case(
            "PAX header with attributes",
            t ->
                t.append(
                    Member.pax("SCHILY.xattr.security.capability=x", "path=" + bin + "/a"),
                    Member.of('0', "x", "", none)),
            "the PAX header `SCHILY.xattr.security.capability`"),
        new Case(
            "PAX sparse file",
            t ->
                t.append(
                    Member.pax("GNU.sparse.name=" + bin + "/a"), Member.of('0', "x", "", none)),
            "the PAX header `GNU.sparse.name`"),
        new Case(
            "two PAX paths",
            t ->
                t.append(
                    Member.pax("path=" + bin + "/a", "path=etc/x"), Member.of('0', "x", "", none)),
            "doubled PAX header `path`"),
        new Case(
            "set-uid", t -> t.change(exe, m -> m.mode("0004755")), "`" + exe + "` with a set-id"),
        new Case("set-gid", t -> t.change(exe, m -> m.mode("0002755")), "(mode 2755)"),
        new Case("set-gid directory", t -> t.change(bin, m -> m.mode("0002755")), "with a set-id"),
        new Case(
            "set-uid parent",
            t -> t.change("opt/farmlab", m -> m.mode("0006755")),
            "`opt/farmlab`"),
        new Case(
            "another owner",
            t -> t.change(exe, m -> m.text(108, 8, "0001750")),
            "`" + exe + "`, which belongs to another user"),
        new Case(
            "another owner by name",
            t -> t.change(exe, m -> m.text(265, 32, "alice")),
            "belongs to another user"),
        new Case(
            "character device", t -> t.change(exe, m -> m.type('3').content("")), "of type `3`"),
        new Case("block device", t -> t.change(exe, m -> m.type('4').content("")), "of type `4`"),
        new Case("fifo", t -> t.change(exe, m -> m.type('6').content("")), "of type `6`"),
        new Case(
            "contiguous file", t -> t.change(exe, m -> m.type('7').content("")), "of type `7`"),
        new Case("sparse file", t -> t.change(exe, m -> m.type('S').content("")), "of type `S`"),
        new Case("device with content", t -> t.change(exe, m -> m.type('3')), "with content"),
        new Case(
            "hard link to nothing",
            t -> t.append('1', bin + "/a", bin + "/b"),
            "the hard link `" + bin + "/a` to `" + bin + "/b`"),
        new Case(
            "hard link to a later file",
            t -> t.append('1', bin + "/a", bin + "/b").append('0', bin + "/b", ""),
            "which is no earlier file"),
        new Case(
            "hard link to a link",
            t -> t.append('2', bin + "/l", "/etc/shadow").append('1', bin + "/a", bin + "/l"),
            "which is no earlier file"),
        new Case(
            "hard link to a directory", t -> t.append('1', prefix + "/a", bin), "no earlier file"),
        new Case(
            "hard link outside", t -> t.append('1', bin + "/a", "etc/shadow"), "to `etc/shadow`"),
        new Case(
            "hard link with content",
            t ->
                t.append(
                    Member.pax("path=" + bin + "/a", "linkpath=" + exe),
                    Member.of('1', "x", "", new byte[512])),
            "with content"),
        new Case(
            "relative link out of the root",
            t -> t.append('2', bin + "/l", "../../../../../../etc/shadow"),
            "which leads out of the install root"),
        new Case(
            "relative link out of the root and back",
            t -> t.append('2', bin + "/l", "../../../../store/linux-x86_64_v3"),
            "which leads out of the install root"),
        new Case(
            "link that Spack would shorten",
            t -> t.append('2', bin + "/l", prefix + "/../../../../etc/shadow"),
            "which leads out of the install root"),
        new Case("link to nothing", t -> t.append('2', bin + "/l", ""), "without a usable target"),
        new Case(
            "file through a link",
            t -> t.append('2', bin + "/l", "/etc").append('0', bin + "/l/passwd", ""),
            "`" + bin + "/l/passwd` below a symbolic link"),
        new Case(
            "directory over a link",
            t -> t.append('2', bin + "/l", "/etc").append('5', bin + "/l", ""),
            "`" + bin + "/l` twice"),
        new Case(
            "file over a link",
            t -> t.append('2', bin + "/l", "/etc/passwd").append('0', bin + "/l", ""),
            "`" + bin + "/l` twice"),
        new Case("file twice", t -> t.append('0', exe, ""), "`" + exe + "` twice"),
        new Case("directory twice", t -> t.append('5', bin, ""), "`" + bin + "` twice"),
        new Case(
            "entry before its directory",
            t -> t.append('0', prefix + "/lib/a", ""),
            "`" + prefix + "/lib/a` before the directory"),
        new Case(
            "the prefix as a link",
            t -> {
              Member m = t.find(prefix);
              m.type('2').text(157, 100, "/etc").text(0, 100, prefix);
              return t;
            },
            "a prefix that is no directory"),
        new Case(
            "wrong checksum of a header",
            t -> t.change(exe, m -> m.fixChecksum = false).change(exe, m -> m.header[148] = '7'),
            "a header with a wrong checksum"),
        new Case(
            "no tar header",
            t -> t.change(exe, m -> m.text(257, 8, "")),
            "a header that is no tar header"),
        new Case(
            "bytes after the end",
            t -> {
              t.end = Arrays.copyOf(t.end, t.end.length + 512);
              t.end[t.end.length - 1] = 1;
              return t;
            },
            "goes on after the end"),
        new Case(
            "an entry after the first zero block",
            t -> {
              t.end[512] = 'x';
              return t;
            },
            "goes on after the end"),
        new Case(
            "no end mark",
            t -> {
              t.end = new byte[0];
              return t;
            },
            "has no end mark"),
        new Case(
            "half an end mark",
            t -> {
              t.end = new byte[512];
              return t;
            },
            "half an end mark"),
        new Case(
            "too many entries",
            t -> {
              for (int i = 0; i < 200; i++) {
                t.append('0', bin + "/" + i, "");
              }
              return t;
            },
            "more than 200 entries"),
        new Case(
            "too much content",
            t ->
                t.append(
                    Member.pax("path=" + bin + "/big"), Member.of('0', "x", "", new byte[3 << 20])),
            "unpacks to more than"),
        new Case(
            "an empty tree",
            t -> {
              t.members.clear();
              return t;
            },
            "is the pushed tree empty?"),
        new Case(
            "an empty prefix",
            t -> {
              int end = t.members.indexOf(t.find(prefix));
              t.members.subList(end + 1, t.members.size()).clear();
              return t;
            },
            "is the pushed tree empty?"),
        new Case(
            "spec.json as a link",
            t ->
                t.change(
                    prefix + "/.spack/spec.json",
                    m -> m.type('2').content("").text(157, 100, "/etc/x")),
            "is the pushed tree empty?"),
        new Case(
            "spec.json of another node",
            t -> t.change(prefix + "/.spack/spec.json", m -> m.content(specOf("fl-core"))),
            "is that of another spec"),
        new Case(
            "spec.json with another member",
            t ->
                t.change(
                    prefix + "/.spack/spec.json",
                    m ->
                        m.content(
                            text(m).replaceFirst("\"version\":\"1.0\"", "\"version\":\"1.1\""))),
            "holds this node with other content"),
        new Case(
            "spec.json that is none",
            t -> t.change(prefix + "/.spack/spec.json", m -> m.content("{}")),
            ".spack/spec.json of"),
        new Case(
            "Spack rewrites a file of the host",
            t -> facts(t, "relocate_binaries: [bin/fl-app]", "relocate_binaries: [/etc/passwd]"),
            "wants Spack to rewrite `/etc/passwd`"),
        new Case(
            "Spack rewrites a file beside the prefix",
            t -> facts(t, "relocate_textfiles: []", "relocate_textfiles: [../../bin/sbang]"),
            "wants Spack to rewrite `../../bin/sbang`"),
        new Case(
            "Spack rewrites through a link",
            t ->
                facts(t, "relocate_textfiles: []", "relocate_textfiles: [bin/l]")
                    .append('2', bin + "/l", "/etc/passwd"),
            "wants Spack to rewrite `bin/l`"),
        new Case(
            "Spack replaces a file as a link",
            t -> facts(t, "relocate_links: []", "relocate_links: [bin/fl-app]"),
            "which is no symbolic link in it"),
        new Case(
            "built elsewhere",
            t -> facts(t, "buildpath: /opt/farmlab/store", "buildpath: /opt/farmlab"),
            "says in .spack/binary_distribution that it was built at"),
        new Case(
            "no relocation facts",
            t -> t.change(prefix + "/.spack/binary_distribution", m -> m.content("[]")),
            "is no mapping"),
        new Case(
            "relocation facts that make objects",
            t ->
                t.change(
                    prefix + "/.spack/binary_distribution",
                    m -> m.content("a: !!javax.script.ScriptEngineManager []")),
            "cannot be read"));
  }

  private static String text(Member m) {
    return new String(m.content, StandardCharsets.UTF_8);
  }

  private String specOf(String name) {
    try {
      BuiltSpec other = SpackFixture.builtSpec(new MemoryBlobStore(), name);
      return new String(
          SpackFixture.gunzip(SpackFixture.blob(other.spec())), StandardCharsets.UTF_8);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private RawTar facts(RawTar tar, String before, String after) {
    return tar.change(
        prefix + "/.spack/binary_distribution",
        m -> {
          assertTrue(text(m).contains(before), text(m));
          m.content(text(m).replace(before, after));
        });
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
  void anArchiveWithOneWrongThingIsRefusedAndNothingShows(Case each) throws Exception {
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
    String json = specOf(NAME);
    Map<String, String> wrong = new LinkedHashMap<>();
    wrong.put(specOf("fl-core"), "is that of another spec");
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
    facts(tar, "relocate_links: []", "relocate_links: [bin/own, bin/dependency]");
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
