package build.thresher.cas.mirror;

import build.thresher.cas.api.NamingBlobWriter;
import com.google.common.hash.HashCode;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The states that a directory goes through under those who write there, each kept as a kill in that
 * moment leaves it. It is a state only when the directory was never in it before, byte by byte: a
 * call that writes nothing makes none. Where a journal of RocksDB grew by several records between
 * two calls, the end of each is a state, and so is its middle. Empty directories are left out.
 */
final class CrashPoints {
  private final Path live;
  private final Path copies;
  private final Set<HashCode> seen = new HashSet<>();
  private final List<Point> taken = new ArrayList<>();
  private SortedMap<String, Stamp> before = new TreeMap<>();
  private int copied;

  /**
   * @param live the directory that is watched
   * @param copies where its states are put
   */
  CrashPoints(Path live, Path copies) {
    this.live = live;
    this.copies = copies;
  }

  /**
   * A state of the directory.
   *
   * @param step the call that came before or after
   * @param torn the last write of this state ends in its middle
   */
  record Point(String step, boolean torn, Path copy) {
    void delete() throws IOException {
      MoreFiles.deleteRecursively(copy, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private record Stamp(long size, FileTime changed) {}

  /** The same object; what its calls do to the directory is seen, one by one. */
  <T> T watch(Class<T> type, T object) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (proxy, method, arguments) -> {
              step("before " + method.getName());
              try {
                Object result = method.invoke(object, arguments);
                step("after " + method.getName());
                return result instanceof NamingBlobWriter writer
                    ? watch(NamingBlobWriter.class, writer)
                    : result;
              } catch (InvocationTargetException e) {
                throw Objects.requireNonNull(e.getCause());
              }
            }));
  }

  /** Keeps the state of this moment, and those since the last one, unless they are known. */
  synchronized void step(String what) throws IOException {
    SortedMap<String, Stamp> now = stamps();
    List<String> changed =
        now.keySet().stream().filter(f -> !Objects.equals(now.get(f), before.get(f))).toList();
    if (changed.isEmpty() && now.size() == before.size()) {
      return;
    }
    if (changed.size() == 1 && changed.getFirst().endsWith(".log")) {
      Stamp old = before.get(changed.getFirst());
      journalGrew(what, changed.getFirst(), old == null ? 0 : old.size(), now);
    }
    before = now;
    keep(what, now, "", 0, false);
  }

  /** The states that were taken since this was asked last. */
  synchronized List<Point> take() {
    List<Point> all = List.copyOf(taken);
    taken.clear();
    return all;
  }

  /** The journal's last record is torn, and those before it stand alone. */
  private void journalGrew(String what, String journal, long from, SortedMap<String, Stamp> now)
      throws IOException {
    byte[] bytes = Files.readAllBytes(live.resolve(journal));
    long begin = from;
    for (long end : JournalRecords.ends(bytes)) {
      if (end > from) {
        keep(what, now, journal, begin + (end - begin) / 2, true);
        if (end < bytes.length) {
          keep(what, now, journal, end, false);
        }
        begin = end;
      }
    }
  }

  private void keep(
      String step, SortedMap<String, Stamp> files, String cut, long cutAt, boolean torn)
      throws IOException {
    Map<String, byte[]> contents = new TreeMap<>();
    Hasher hasher = Hashing.goodFastHash(128).newHasher();
    for (String file : files.keySet()) {
      byte[] bytes = Files.readAllBytes(live.resolve(file));
      byte[] kept = file.equals(cut) ? Arrays.copyOf(bytes, (int) cutAt) : bytes;
      contents.put(file, kept);
      hasher.putString(file, StandardCharsets.UTF_8).putInt(kept.length).putBytes(kept);
    }
    if (!seen.add(hasher.hash())) {
      return;
    }
    Path copy = copies.resolve("crash-" + copied++);
    for (Map.Entry<String, byte[]> file : contents.entrySet()) {
      Path to = copy.resolve(file.getKey());
      Files.createDirectories(to.getParent());
      Files.write(to, file.getValue());
    }
    taken.add(new Point(step, torn, copy));
  }

  /** All files but those that say nothing to whoever opens the directory. */
  private SortedMap<String, Stamp> stamps() throws IOException {
    SortedMap<String, Stamp> stamps = new TreeMap<>();
    try (Stream<Path> files = Files.walk(live)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        if (!file.getFileName().toString().matches("LOCK|LOG.*|OPTIONS-.*")) {
          stamps.put(
              live.relativize(file).toString(),
              new Stamp(Files.size(file), Files.getLastModifiedTime(file)));
        }
      }
    }
    return stamps;
  }
}
