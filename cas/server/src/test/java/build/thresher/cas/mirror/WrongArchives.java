package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.spack.SpackMirror.BuiltSpec;
import build.thresher.cas.mirror.RawTar.Member;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * What can be wrong with an archive, one thing each, and what is then said.
 *
 * @param prefix of the package, without its first slash
 */
record WrongArchives(String prefix) {
  /**
   * @param message what the refusal says, among other things
   */
  record Case(String name, UnaryOperator<RawTar> change, String message) {
    @Override
    public String toString() {
      return name;
    }
  }

  Stream<Case> all() {
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

  static String text(Member m) {
    return new String(m.content, StandardCharsets.UTF_8);
  }

  static String specOf(String name) {
    try {
      BuiltSpec other = SpackFixture.builtSpec(new MemoryBlobStore(), name);
      return new String(
          SpackFixture.gunzip(SpackFixture.blob(other.spec())), StandardCharsets.UTF_8);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  RawTar facts(RawTar tar, String before, String after) {
    return tar.change(
        prefix + "/.spack/binary_distribution",
        m -> {
          assertTrue(text(m).contains(before), text(m));
          m.content(text(m).replace(before, after));
        });
  }
}
