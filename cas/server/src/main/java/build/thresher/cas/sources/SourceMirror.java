package build.thresher.cas.sources;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import build.thresher.store.v1.SourceRecord;
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * The source mirror of each instance: which blob is at which path, and the readable names that lead
 * there.
 *
 * <p>Guarantees that what is below {@code _source-cache/archive/} has the checksum that it is named
 * by, and that what came from version control, where nothing can be compared, stays as it first
 * came. What was added is pinned in the store until it is removed; what was fetched can be fetched
 * again, and goes when room is needed.
 *
 * <p>A crash between pin and record leaves a pinned blob without a name: it takes room and does no
 * other harm. Threading: any thread; calls block.
 */
public final class SourceMirror implements AutoCloseable {
  private static final int PAGE = 1000;
  private static final String PATHS = "p";
  private static final String NAMES = "n";

  private final SourceTable table;
  private final KnownSources known;
  private final BlobStore blobs;
  private final ReentrantLock changing = new ReentrantLock();

  SourceMirror(SourceTable table, KnownSources known, BlobStore blobs) {
    this.table = table;
    this.known = known;
    this.blobs = blobs;
  }

  /** What became of a source that was to be added. */
  enum Outcome {
    ADDED,
    IDENTICAL,
    /** The path has another blob, which stays. */
    DIFFERENT,
    REFUSED
  }

  /**
   * @param reason why it was refused; "" otherwise
   */
  record Added(Outcome outcome, String reason) {}

  /**
   * A source of an instance.
   *
   * @param added somebody brought it
   */
  record Source(Digest digest, String path, List<String> names, boolean added) {
    Source {
      names = List.copyOf(names);
    }
  }

  /**
   * The blob at a path or name, if the store has it.
   *
   * @param path of a request, anything
   */
  public Optional<Digest> find(String instance, String path) throws IOException {
    SourcePath at;
    try {
      at = new SourcePath(path);
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
    Optional<Digest> found = Optional.empty();
    // Recipes differ in the extension that they give a file, and patches have none.
    Optional<String> checksum = at.checksum().filter(hash -> hash.length() == 64);
    if (checksum.isPresent()) {
      found = Optional.ofNullable(known.find(Digest.parse(checksum.get(), 0)));
    } else {
      Optional<SourceRecord> record = record(instance, path);
      if (record.isEmpty() && !at.isInCache()) {
        byte[] target = table.get(key(NAMES, instance, path));
        record = target == null ? record : record(instance, text(target));
      }
      if (record.isPresent()) {
        found = Optional.of(WireDigests.fromWire(record.get().getDigest()));
      }
    }
    return found.isPresent() && blobs.contains(Scope.farm(instance), found.get())
        ? found
        : Optional.empty();
  }

  /** Takes in what somebody brought; its blob must be in the store. */
  Added add(Scope scope, Digest digest, String path, List<String> names) throws IOException {
    SourcePath at;
    try {
      at = checked(path, names);
      if (!blobs.contains(scope, digest)) {
        return refused("the blob " + digest + " is not in the store: upload it first");
      }
      if (!at.isVersionControl() && !hasChecksum(scope, digest, at)) {
        return refused("its content does not have the checksum in " + path);
      }
    } catch (IllegalArgumentException e) {
      return refused(String.valueOf(e.getMessage()));
    }
    changing.lock();
    try {
      Optional<SourceRecord> before = record(scope.instance(), path);
      if (before.isPresent() && !WireDigests.fromWire(before.get().getDigest()).equals(digest)) {
        if (blobs.contains(scope, WireDigests.fromWire(before.get().getDigest()))) {
          return new Added(Outcome.DIFFERENT, "");
        }
        before = Optional.empty();
      }
      boolean wasAdded = before.isPresent() && before.get().getAdded();
      if (wasAdded && before.get().getNamesList().containsAll(names)) {
        return new Added(Outcome.IDENTICAL, "");
      }
      if (!wasAdded) {
        blobs.pin(scope, List.of(digest));
      }
      known.add(digest);
      put(scope.instance(), path, digest, true, before, names);
      return new Added(wasAdded ? Outcome.IDENTICAL : Outcome.ADDED, "");
    } finally {
      changing.unlock();
    }
  }

  private static Added refused(String why) {
    return new Added(Outcome.REFUSED, why);
  }

  /**
   * Notes what the farm itself fetched and verified.
   *
   * @param name "" for none
   * @throws IllegalArgumentException when path or name are none
   */
  void fetched(Scope scope, Digest digest, String path, String name) throws IOException {
    List<String> names = name.isEmpty() ? List.of() : List.of(name);
    checked(path, names);
    changing.lock();
    try {
      Optional<SourceRecord> before = record(scope.instance(), path);
      boolean same =
          before.isPresent() && WireDigests.fromWire(before.get().getDigest()).equals(digest);
      if (same && before.get().getNamesList().containsAll(names)) {
        return;
      }
      if (before.isPresent()
          && !same
          && blobs.contains(scope, WireDigests.fromWire(before.get().getDigest()))) {
        return;
      }
      boolean added = same && before.get().getAdded();
      put(scope.instance(), path, digest, added, same ? before : Optional.empty(), names);
    } finally {
      changing.unlock();
    }
  }

  private static SourcePath checked(String path, List<String> names) {
    SourcePath at = new SourcePath(path);
    if (at.checksum().isEmpty() && !at.isVersionControl()) {
      throw new IllegalArgumentException(
          "not below _source-cache/archive/, nor of version control: " + path);
    }
    for (String name : names) {
      if (new SourcePath(name).isInCache()) {
        throw new IllegalArgumentException("no readable name: " + name);
      }
    }
    return at;
  }

  private boolean hasChecksum(Scope scope, Digest digest, SourcePath at) throws IOException {
    String wanted = at.checksum().orElseThrow();
    if (wanted.length() == 64) {
      return wanted.equals(digest.hex());
    }
    MessageDigest hash = hash(wanted.length());
    try (InputStream in = blobs.read(scope, digest, 0, Long.MAX_VALUE)) {
      byte[] buffer = new byte[64 << 10];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        hash.update(buffer, 0, n);
      }
    }
    return wanted.equals(HexFormat.of().formatHex(hash.digest()));
  }

  /** Old recipes have MD5 and SHA-1. */
  private static MessageDigest hash(int hexDigits) {
    String algorithm =
        switch (hexDigits) {
          case 32 -> "MD5";
          case 40 -> "SHA-1";
          case 96 -> "SHA-384";
          case 128 -> "SHA-512";
          default -> throw new IllegalArgumentException("a checksum of no known length");
        };
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has it", e);
    }
  }

  private void put(
      String instance,
      String path,
      Digest digest,
      boolean added,
      Optional<SourceRecord> before,
      List<String> names)
      throws IOException {
    SourceRecord.Builder record =
        SourceRecord.newBuilder().setDigest(WireDigests.toWire(digest)).setAdded(added);
    before.ifPresent(old -> record.addAllNames(old.getNamesList()));
    names.stream()
        .distinct()
        .filter(name -> !record.getNamesList().contains(name))
        .forEach(record::addNames);
    List<SourceTable.Row> rows = new ArrayList<>();
    rows.add(new SourceTable.Row(key(PATHS, instance, path), record.build().toByteArray()));
    for (String name : names) {
      rows.add(new SourceTable.Row(key(NAMES, instance, name), bytes(path)));
    }
    table.write(rows);
  }

  /** Every blob as often as what was added has pinned it. */
  public void eachPinned(Consumer<Digest> visitor) throws IOException {
    byte[] prefix = bytes(PATHS);
    byte[] after = prefix;
    for (List<SourceTable.Row> rows = table.page(prefix, after, PAGE);
        !rows.isEmpty();
        rows = table.page(prefix, after, PAGE)) {
      for (SourceTable.Row row : rows) {
        SourceRecord record = parsed(row.value() == null ? new byte[0] : row.value());
        if (record.getAdded()) {
          visitor.accept(WireDigests.fromWire(record.getDigest()));
        }
        after = row.key();
      }
    }
  }

  /** All that the store has, in pages, ordered by path. */
  void list(Scope scope, Consumer<List<Source>> page) throws IOException {
    byte[] prefix = key(PATHS, scope.instance(), "");
    byte[] after = prefix;
    while (true) {
      List<SourceTable.Row> rows = table.page(prefix, after, PAGE);
      if (rows.isEmpty()) {
        return;
      }
      Map<String, SourceRecord> records = new LinkedHashMap<>();
      for (SourceTable.Row row : rows) {
        String path = text(row.key()).substring(prefix.length);
        records.put(path, parsed(row.value() == null ? new byte[0] : row.value()));
        after = row.key();
      }
      Set<Digest> missing =
          blobs.findMissing(
              scope,
              records.values().stream().map(r -> WireDigests.fromWire(r.getDigest())).toList());
      List<Source> sources = new ArrayList<>();
      for (Map.Entry<String, SourceRecord> one : records.entrySet()) {
        Digest digest = WireDigests.fromWire(one.getValue().getDigest());
        if (!missing.contains(digest)) {
          sources.add(
              new Source(
                  digest,
                  one.getKey(),
                  current(scope.instance(), one.getKey(), one.getValue()),
                  one.getValue().getAdded()));
        }
      }
      page.accept(sources);
    }
  }

  /** Without the names that lead elsewhere by now. */
  private List<String> current(String instance, String path, SourceRecord record)
      throws IOException {
    List<String> names = new ArrayList<>();
    for (String name : record.getNamesList()) {
      byte[] target = table.get(key(NAMES, instance, name));
      if (target != null && text(target).equals(path)) {
        names.add(name);
      }
    }
    return names;
  }

  /**
   * Forgets a source.
   *
   * @param path or one of its names
   * @return whether it was there
   */
  boolean remove(Scope scope, String path) throws IOException {
    changing.lock();
    try {
      byte[] target = table.get(key(NAMES, scope.instance(), path));
      String at = target == null ? path : text(target);
      Optional<SourceRecord> record = record(scope.instance(), at);
      if (record.isEmpty()) {
        return false;
      }
      List<SourceTable.Row> rows = new ArrayList<>();
      rows.add(new SourceTable.Row(key(PATHS, scope.instance(), at), null));
      for (String name : current(scope.instance(), at, record.get())) {
        rows.add(new SourceTable.Row(key(NAMES, scope.instance(), name), null));
      }
      table.write(rows);
      if (record.get().getAdded()) {
        blobs.unpin(scope, List.of(WireDigests.fromWire(record.get().getDigest())));
      }
      return true;
    } finally {
      changing.unlock();
    }
  }

  private Optional<SourceRecord> record(String instance, String path) throws IOException {
    byte[] found = table.get(key(PATHS, instance, path));
    return found == null ? Optional.empty() : Optional.of(parsed(found));
  }

  private static SourceRecord parsed(byte[] bytes) throws IOException {
    try {
      return SourceRecord.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new IOException("a record of a source is damaged", e);
    }
  }

  /** Neither instances nor paths have a NUL. */
  private static byte[] key(String table, String instance, String path) {
    return bytes(table + instance + '\0' + path);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    table.close();
  }
}
