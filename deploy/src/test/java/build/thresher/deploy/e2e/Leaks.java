package build.thresher.deploy.e2e;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.github.luben.zstd.ZstdInputStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.DBOptions;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksIterator;

/**
 * Looks for secrets wherever something was written: in files, in what is packed in them, in every
 * record of every database, and in what the machine's processes show. Says which secret was found
 * where, never the secret.
 */
final class Leaks {
  private static final int MAX_UNPACKED = 64 << 20;
  private static final int MAX_BEFORE = 4 << 10;

  private final Map<String, List<String>> secrets = new TreeMap<>();
  private final Set<String> found = new ConcurrentSkipListSet<>();

  /**
   * A text that must not be found, in base64 neither.
   *
   * @param name how a finding calls it
   */
  void watchFor(String name, String secret) {
    List<String> forms = new ArrayList<>(List.of(secret));
    for (int before = 0; before < 3; before++) { // the three ways in which base64 can cut it
      String encoded =
          Base64.getEncoder().encodeToString(("   ".substring(before) + secret).getBytes(UTF_8));
      forms.add(encoded.substring(4, encoded.length() - 4));
    }
    secrets.put(name, List.copyOf(forms));
  }

  void watchFor(String name, byte[] secret) {
    secrets.put(name, List.of(new String(secret, ISO_8859_1)));
  }

  /** What was found so far, sorted. */
  Set<String> found() {
    return Set.copyOf(found);
  }

  void lookAt(String where, byte[] bytes) {
    String text = new String(bytes, ISO_8859_1); // which loses nothing, and is fast to search
    secrets.forEach(
        (name, forms) -> {
          if (forms.stream().anyMatch(text::contains)) {
            found.add(name + " in " + where);
          }
        });
    // In a database's record, other things may stand before it.
    String beginning = text.substring(0, Math.min(text.length(), MAX_BEFORE));
    int gzip = beginning.indexOf("\u001f\u008b\b");
    if (gzip >= 0) {
      lookInside(where, bytes, gzip, GZIPInputStream::new);
    }
    int zstd = beginning.indexOf("(\u00b5/\u00fd");
    if (zstd >= 0) {
      lookInside(where, bytes, zstd, ZstdInputStream::new);
    }
  }

  private interface Unpacking {
    InputStream open(InputStream packed) throws IOException;
  }

  private void lookInside(String where, byte[] bytes, int from, Unpacking unpacking) {
    try (InputStream in =
        unpacking.open(new ByteArrayInputStream(bytes, from, bytes.length - from))) {
      lookAt(where + " (unpacked)", in.readNBytes(MAX_UNPACKED));
    } catch (IOException e) {
      // It only looked packed, or is the beginning of something.
    }
  }

  /**
   * Every file below a directory.
   *
   * @param except what is allowed to hold secrets
   */
  void lookBelow(Path directory, Set<Path> except) throws Exception {
    List<Path> entries;
    try (Stream<Path> listing = Files.list(directory)) {
      entries = listing.filter(entry -> !except.contains(entry)).toList();
    }
    if (entries.stream().anyMatch(entry -> entry.endsWith("CURRENT"))) {
      lookIntoDatabase(directory);
    }
    for (Path entry : entries) {
      if (Files.isSymbolicLink(entry)) {
        lookAt(entry.toString(), Files.readSymbolicLink(entry).toString().getBytes(UTF_8));
      } else if (Files.isDirectory(entry)) {
        lookBelow(entry, except);
      } else if (Files.isRegularFile(entry)) {
        lookAt(entry.toString(), Files.readAllBytes(entry));
      }
    }
  }

  private void lookIntoDatabase(Path directory) throws Exception {
    RocksDB.loadLibrary();
    List<ColumnFamilyDescriptor> families = new ArrayList<>();
    try (Options options = new Options()) {
      for (byte[] name : RocksDB.listColumnFamilies(options, directory.toString())) {
        families.add(new ColumnFamilyDescriptor(name));
      }
    }
    List<ColumnFamilyHandle> handles = new ArrayList<>();
    try (DBOptions options = new DBOptions();
        RocksDB db = RocksDB.openReadOnly(options, directory.toString(), families, handles)) {
      for (ColumnFamilyHandle handle : handles) {
        String family = directory + ":" + new String(handle.getName(), UTF_8);
        try (RocksIterator records = db.newIterator(handle)) {
          for (records.seekToFirst(); records.isValid(); records.next()) {
            lookAt(family, records.key());
            lookAt(family, records.value());
          }
          records.status();
        }
        handle.close();
      }
    }
  }

  /**
   * Command lines, which everybody on the machine can read.
   *
   * @param builders of whose processes the environment is looked at too, Java apart: it has to know
   */
  void lookAtProcesses(List<ProcessHandle> builders) {
    ProcessHandle.allProcesses().forEach(process -> lookAtFile(process, "cmdline"));
    builders.stream()
        .flatMap(ProcessHandle::descendants)
        .filter(process -> !isJava(process))
        .forEach(process -> lookAtFile(process, "environ"));
  }

  private static boolean isJava(ProcessHandle process) {
    try {
      String program =
          Files.readSymbolicLink(Path.of("/proc/" + process.pid() + "/exe")).toString();
      return program.endsWith("/java") || program.endsWith("/jspawnhelper");
    } catch (IOException e) {
      return true; // it has ended
    }
  }

  private void lookAtFile(ProcessHandle process, String file) {
    try {
      Path path = Path.of("/proc/" + process.pid() + "/" + file);
      lookAt("a process's " + file, Files.readAllBytes(path));
    } catch (IOException e) {
      // It has ended.
    }
  }
}
