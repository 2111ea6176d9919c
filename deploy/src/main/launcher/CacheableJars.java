import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeTransform;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Java keeps no class in an ahead-of-time cache that is of before Java 6 or of a signed jar. This
 * writes old class files anew, as those of Java 8: the same code, with the stack maps that the
 * newer verifier wants; and it leaves out signatures and the checksums in the manifest that they
 * are of, which Java would read and verify at each start (Maven has checked what it downloaded). A
 * jar that has neither is left alone; one that had says so in {@code META-INF/CHANGED}. Java runs
 * this from its source, when the program is assembled.
 */
class CacheableJars {
  private static final String NOTE = "META-INF/CHANGED";
  private static final Pattern SIGNATURE = Pattern.compile("META-INF/[^/]+\\.(SF|RSA|DSA|EC)");

  public static void main(String[] args) throws IOException {
    for (String jar : args) {
      renew(Path.of(jar));
    }
  }

  private static void renew(Path jar) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    int renewed = 0;
    int signatures = 0;
    try (ZipFile in = new ZipFile(jar.toFile());
        URLClassLoader others = new URLClassLoader(new URL[] {jar.toUri().toURL()});
        ZipOutputStream out = new ZipOutputStream(bytes)) {
      if (in.getEntry(NOTE) != null) {
        return;
      }
      ClassFile files = files(others);
      for (ZipEntry entry : Collections.list(in.entries())) {
        if (SIGNATURE.matcher(entry.getName()).matches()) {
          signatures++;
          continue;
        }
        byte[] content = in.getInputStream(entry).readAllBytes();
        if (entry.getName().endsWith(".class")) {
          ClassModel old = files.parse(content);
          if (old.majorVersion() < ClassFile.JAVA_6_VERSION) {
            content = renewed(files, old);
            renewed++;
          }
        } else if (entry.getName().equals(JarFile.MANIFEST_NAME)) {
          content = withoutChecksums(content);
        }
        put(out, entry.getName(), entry.getTime(), content);
      }
      String note =
          renewed
              + " class files were written anew, as those of Java 8; "
              + signatures
              + " files of signatures were left out.\n";
      put(out, NOTE, jarTime(jar), note.getBytes(StandardCharsets.US_ASCII));
    }
    if (renewed + signatures > 0) {
      Files.write(jar, bytes.toByteArray());
    }
  }

  /** What the manifest says of the whole jar; of single files it has nothing but checksums. */
  private static byte[] withoutChecksums(byte[] text) throws IOException {
    Manifest manifest = new Manifest(new ByteArrayInputStream(text));
    manifest.getEntries().clear();
    ByteArrayOutputStream shorter = new ByteArrayOutputStream();
    manifest.write(shorter);
    return shorter.toByteArray();
  }

  private static ClassFile files(URLClassLoader others) {
    ClassHierarchyResolver known =
        ClassHierarchyResolver.ofResourceParsing(others)
            .orElse(ClassHierarchyResolver.defaultResolver());
    return ClassFile.of(
        StackMapsOption.GENERATE_STACK_MAPS, ClassHierarchyResolverOption.of(known));
  }

  private static byte[] renewed(ClassFile files, ClassModel old) {
    return files.transformClass(
        old,
        ClassTransform.transformingMethodBodies(CodeTransform.ACCEPT_ALL)
            .andThen(
                ClassTransform.endHandler(
                    builder -> builder.withVersion(ClassFile.JAVA_8_VERSION, 0))));
  }

  private static long jarTime(Path jar) throws IOException {
    return Files.getLastModifiedTime(jar).toMillis();
  }

  private static void put(ZipOutputStream out, String name, long time, byte[] content)
      throws IOException {
    ZipEntry entry = new ZipEntry(name);
    entry.setTime(time);
    out.putNextEntry(entry);
    out.write(content);
    out.closeEntry();
  }
}
