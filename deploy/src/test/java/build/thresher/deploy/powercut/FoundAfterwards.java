package build.thresher.deploy.powercut;

import build.thresher.deploy.powercut.Recording.Step;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Makes the directory that is found after the power was cut.
 *
 * <p>What POSIX promises is there: a file's data as of its last sync, a directory's names as of the
 * directory's last sync. What it leaves open is decided by the dice, or always against the writer:
 * data that was not synced is there, in part or not at all, in any order; names changed in the
 * order of the changes, as a journal keeps them, up to some point.
 */
final class FoundAfterwards {
  private static final int SECTOR = 512;

  private final String root;
  private final Map<Long, Node> byNumber = new HashMap<>();
  private final Map<String, Node> byPath = new HashMap<>();
  private final List<NameChange> changes = new ArrayList<>();
  private final Map<String, List<Begun>> syncing = new HashMap<>();

  /** A file or directory, whatever it is called. */
  private static final class Node {
    final boolean directory;
    final List<Step> data = new ArrayList<>();
    int syncedSteps;

    Node(boolean directory) {
      this.directory = directory;
    }
  }

  /** Names that changed together: a rename changes two. */
  private static final class NameChange {
    final @Nullable Node removedFrom;
    final String removedName;
    final @Nullable Node addedTo;
    final String addedName;
    final Node node;
    boolean synced;

    NameChange(
        @Nullable Node removedFrom,
        String removedName,
        @Nullable Node addedTo,
        String addedName,
        Node node) {
      this.removedFrom = removedFrom;
      this.removedName = removedName;
      this.addedTo = addedTo;
      this.addedName = addedName;
      this.node = node;
    }
  }

  /** What a sync that has begun will have made durable when it ends. */
  private record Begun(Node node, int dataSteps, int nameChanges) {}

  private FoundAfterwards(String root) {
    this.root = root;
  }

  /**
   * @param stepCount how many steps of the recording happened
   * @param dice decide what else is there; null for nothing
   */
  static void make(
      Recording recording, int stepCount, @Nullable RandomGenerator dice, Path directory)
      throws IOException {
    FoundAfterwards found = new FoundAfterwards(recording.root());
    recording.steps().subList(0, stepCount).forEach(found::happened);
    found.write(directory, dice);
  }

  private void happened(Step step) {
    switch (step.kind()) {
      case CREATE -> create(step, false);
      case MKDIR -> create(step, true);
      case WRITE, TRUNCATE -> number(step).data.add(step);
      case RENAME -> rename(step.path(), step.second());
      case LINK -> add(step.second(), Objects.requireNonNull(byPath.get(step.path())));
      case UNLINK, RMDIR -> remove(step.path());
      case SYNC_BEGIN -> {
        Node node = number(step);
        syncing
            .computeIfAbsent(step.file() + " " + step.offset(), k -> new ArrayList<>())
            .add(new Begun(node, node.data.size(), changes.size()));
      }
      case SYNC_END -> {
        // Of two syncs of one descriptor at a time the one that promises less is believed.
        Begun begun =
            Objects.requireNonNull(syncing.get(step.file() + " " + step.offset())).removeFirst();
        begun.node.syncedSteps = Math.max(begun.node.syncedSteps, begun.dataSteps);
        for (NameChange change : changes.subList(0, begun.nameChanges)) {
          change.synced |= change.removedFrom == begun.node || change.addedTo == begun.node;
        }
      }
      case NONE, UNSUPPORTED -> throw new IllegalArgumentException(step.toString());
    }
  }

  private Node number(Step step) {
    return Objects.requireNonNull(byNumber.get(step.file()), () -> "unknown file of " + step);
  }

  private void create(Step step, boolean directory) {
    if (step.path().equals(root) && byPath.containsKey(root)) {
      return; // every process begins by naming it
    }
    Node node = new Node(directory);
    byNumber.put(step.file(), node);
    add(step.path(), node);
  }

  private void add(String path, Node node) {
    byPath.put(path, node);
    if (!path.equals(root)) {
      changes.add(new NameChange(null, "", parent(path), name(path), node));
    }
  }

  private void remove(String path) {
    Node node = Objects.requireNonNull(byPath.remove(path), path);
    changes.add(new NameChange(parent(path), name(path), null, "", node));
  }

  private void rename(String from, String to) {
    Node node = Objects.requireNonNull(byPath.remove(from), from);
    byPath.put(to, node);
    changes.add(new NameChange(parent(from), name(from), parent(to), name(to), node));
    if (node.directory) {
      Map<String, Node> below = new LinkedHashMap<>();
      byPath.forEach(
          (path, child) -> {
            if (path.startsWith(from + "/")) {
              below.put(path, child);
            }
          });
      below.forEach(
          (path, child) -> {
            byPath.remove(path);
            byPath.put(to + path.substring(from.length()), child);
          });
    }
  }

  private Node parent(String path) {
    String parent = path.substring(0, path.lastIndexOf('/'));
    return Objects.requireNonNull(byPath.get(parent), () -> "unknown directory " + parent);
  }

  private static String name(String path) {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  private void write(Path directory, @Nullable RandomGenerator dice) throws IOException {
    Map<Node, Map<String, Node>> names = new HashMap<>();
    int journaled = dice == null ? 0 : dice.nextInt(changes.size() + 1);
    for (int i = 0; i < changes.size(); i++) {
      NameChange change = changes.get(i);
      if (!change.synced && i >= journaled) {
        continue;
      }
      if (change.removedFrom != null) {
        names
            .computeIfAbsent(change.removedFrom, n -> new LinkedHashMap<>())
            .remove(change.removedName, change.node);
      }
      if (change.addedTo != null) {
        names
            .computeIfAbsent(change.addedTo, n -> new LinkedHashMap<>())
            .put(change.addedName, change.node);
      }
    }
    write(Objects.requireNonNull(byPath.get(root)), directory, names, dice);
  }

  private static void write(
      Node node, Path path, Map<Node, Map<String, Node>> names, @Nullable RandomGenerator dice)
      throws IOException {
    if (!node.directory) {
      writeFile(node, path, dice);
      return;
    }
    Files.createDirectories(path);
    for (Map.Entry<String, Node> entry : names.getOrDefault(node, Map.of()).entrySet()) {
      write(entry.getValue(), path.resolve(entry.getKey()), names, dice);
    }
  }

  private static void writeFile(Node node, Path path, @Nullable RandomGenerator dice)
      throws IOException {
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      for (int i = 0; i < node.data.size(); i++) {
        Step step = node.data.get(i);
        boolean synced = i < node.syncedSteps;
        if (!synced && (dice == null || dice.nextBoolean())) {
          continue;
        }
        if (step.kind() == Recording.Kind.TRUNCATE) {
          truncate(file, step.offset());
          continue;
        }
        int length = step.data().remaining();
        if (!synced && dice != null && dice.nextBoolean()) {
          length = Math.min(length, dice.nextInt(length / SECTOR + 1) * SECTOR); // torn
        }
        file.write(step.data().slice(0, length), step.offset());
      }
    }
  }

  private static void truncate(FileChannel file, long size) throws IOException {
    if (size <= file.size()) {
      file.truncate(size);
    } else {
      file.write(ByteBuffer.allocate(1), size - 1);
    }
  }
}
