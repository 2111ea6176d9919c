package build.thresher.executor.core;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Measures what of the host specs may name as external: the known programs below /usr with the
 * versions that they report. Compilers and the C library get a fingerprint of the file itself.
 */
final class HostTools {
  private static final String NUMBER = "([0-9]+(?:\\.[0-9]+)+[a-z]?)";

  /** How one package shows its version. */
  private record Tool(String packageName, List<String> command, Pattern version, boolean compiler) {
    static Tool of(String packageName, String program, String version) {
      return new Tool(packageName, List.of(program, "--version"), Pattern.compile(version), false);
    }
  }

  private static final List<Tool> TOOLS =
      List.of(
          new Tool(
              "gcc",
              List.of("gcc", "-dumpfullversion", "-dumpversion"),
              Pattern.compile("^([0-9.]+)"),
              true),
          new Tool(
              "llvm",
              List.of("clang", "--version"),
              Pattern.compile("clang version " + NUMBER),
              true),
          Tool.of("gmake", "make", "GNU Make " + NUMBER),
          Tool.of("cmake", "cmake", "cmake version " + NUMBER),
          Tool.of("ninja", "ninja", "^" + NUMBER),
          Tool.of("meson", "meson", "^" + NUMBER),
          Tool.of("perl", "perl", "\\(v" + NUMBER + "\\)"),
          Tool.of("python", "python3", "Python " + NUMBER),
          Tool.of("pkgconf", "pkgconf", "^" + NUMBER),
          Tool.of("pkg-config", "pkg-config", "^" + NUMBER),
          Tool.of("diffutils", "diff", "GNU diffutils\\) " + NUMBER),
          Tool.of("findutils", "find", "GNU findutils\\) " + NUMBER),
          Tool.of("tar", "tar", "GNU tar\\) " + NUMBER),
          Tool.of("gzip", "gzip", "^gzip " + NUMBER),
          Tool.of("bzip2", "bzip2", "Version " + NUMBER),
          Tool.of("xz", "xz", "XZ Utils\\) " + NUMBER),
          Tool.of("zstd", "zstd", "v" + NUMBER),
          Tool.of("sed", "sed", "GNU sed\\) " + NUMBER),
          Tool.of("gawk", "gawk", "GNU Awk " + NUMBER),
          Tool.of("grep", "grep", "GNU grep\\) " + NUMBER),
          Tool.of("coreutils", "ls", "GNU coreutils\\) " + NUMBER),
          Tool.of("bash", "bash", "version " + NUMBER),
          Tool.of("patch", "patch", "GNU patch " + NUMBER),
          Tool.of("file", "file", "file-" + NUMBER),
          Tool.of("m4", "m4", "GNU M4\\) " + NUMBER),
          Tool.of("bison", "bison", "GNU Bison\\) " + NUMBER),
          Tool.of("flex", "flex", "flex " + NUMBER),
          Tool.of("autoconf", "autoconf", "GNU Autoconf\\) " + NUMBER),
          Tool.of("automake", "automake", "GNU automake\\) " + NUMBER),
          Tool.of("libtool", "libtoolize", "GNU libtool\\) " + NUMBER),
          Tool.of("gettext", "gettext", "GNU gettext-runtime\\) " + NUMBER),
          Tool.of("texinfo", "makeinfo", "GNU texinfo\\) " + NUMBER),
          Tool.of("groff", "groff", "GNU groff version " + NUMBER),
          Tool.of("binutils", "ld", "GNU ld .*? " + NUMBER),
          Tool.of("patchelf", "patchelf", "patchelf " + NUMBER),
          Tool.of("git", "git", "git version " + NUMBER),
          Tool.of("curl", "curl", "curl " + NUMBER),
          Tool.of("rsync", "rsync", "version " + NUMBER),
          new Tool(
              "openssl",
              List.of("openssl", "version"),
              Pattern.compile("OpenSSL " + NUMBER),
              false),
          new Tool(
              "openssh", List.of("ssh", "-V"), Pattern.compile("OpenSSH_([0-9.]+p[0-9]+)"), false),
          Tool.of("glibc", "ldd", "ldd \\([^)]*\\) " + NUMBER));

  /** The compilers that a prefix may hold, by the names of their programs. */
  private static final List<String> COMPILERS =
      List.of("gcc", "clang", "icx", "ifx", "nvc", "armclang", "craycc", "xlc", "nvcc", "hipcc");

  private HostTools() {}

  /**
   * Of the compilers below a prefix that is no part of /usr; "" where there are none. They say what
   * they are in their own bytes: nothing is run for it.
   */
  static String fingerprint(Path prefix) throws IOException {
    java.security.MessageDigest sha256 = Digest.sha256();
    boolean found = false;
    for (String compiler : COMPILERS) {
      Path program = prefix.resolve("bin").resolve(compiler);
      if (Files.isRegularFile(program)) {
        found = true;
        sha256.update((compiler + "\n").getBytes(StandardCharsets.UTF_8));
        sha256.update(Files.readAllBytes(program));
      }
    }
    return found ? HexFormat.of().formatHex(sha256.digest()) : "";
  }

  static List<HostExternal> measure() {
    List<HostExternal> found = new ArrayList<>();
    for (Tool tool : TOOLS) {
      Optional<Path> program = HostCommand.find(tool.command().getFirst());
      if (program.isEmpty()) {
        continue;
      }
      String prefix =
          program.get().startsWith("/usr/local") ? "/usr/local" : "/usr"; // /bin is /usr/bin
      String text = HostCommand.output(tool.command());
      Matcher matcher = tool.version().matcher(text);
      if (!matcher.find()) {
        continue;
      }
      found.add(
          new HostExternal(
              tool.packageName(),
              matcher.group(1),
              prefix,
              fingerprint(tool, program.get(), text)));
    }
    return found;
  }

  private static String fingerprint(Tool tool, Path program, String versionText) {
    try {
      if (tool.compiler()) {
        return digest(program.toRealPath(), versionText);
      }
      if (tool.packageName().equals("glibc")) {
        return digest(libc(), versionText);
      }
      return "";
    } catch (IOException e) {
      return "";
    }
  }

  /** The C library that this very process has loaded; that of builds where it is another libc. */
  private static Path libc() throws IOException {
    for (String name :
        List.of(
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib/aarch64-linux-gnu/libc.so.6",
            "/lib64/libc.so.6",
            "/usr/lib64/libc.so.6",
            "/usr/lib/libc.so.6")) {
      Path path = Path.of(name);
      if (Files.isRegularFile(path)) {
        return path.toRealPath();
      }
    }
    throw new IOException("no libc.so.6 where it is looked for");
  }

  private static String digest(Path file, String text) throws IOException {
    java.security.MessageDigest sha256 = Digest.sha256();
    sha256.update(Files.readAllBytes(file));
    sha256.update(text.getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(sha256.digest());
  }
}
