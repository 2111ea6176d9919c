package build.thresher.executor.sandbox;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The process that starts all sandboxes of an executor ({@code launcher.py} says how). One that has
 * a single thread and a bubblewrap that waits can set everything that is to be set before that
 * runs; from here it would take a program for each, some milliseconds for every command.
 *
 * <p>What it started dies with it, and it dies with this process. When it has ended it starts
 * nothing more; who needs one makes another. Thread-safe.
 */
final class Launcher implements Closeable {
  private static final Logger log = LoggerFactory.getLogger(Launcher.class);

  private final Process process;
  private final OutputStream requests;
  private final AtomicLong names = new AtomicLong();
  private final Map<String, Pending> pending = new ConcurrentHashMap<>();
  private volatile boolean ended;

  private record Pending(
      CompletableFuture<Started> started, CompletableFuture<Integer> exit, boolean oneOutput) {}

  /**
   * A process that runs, or ran.
   *
   * @param handle the process itself, while it runs: to look it up takes a moment
   * @param output what it writes, for the caller to read to the end and close
   * @param errors the same for its standard error, if that is apart
   * @param exit its exit code, or 128 and the number of the signal that ended it; fails when the
   *     launcher ended before it
   */
  record Started(
      Supplier<Optional<ProcessHandle>> handle,
      InputStream output,
      Optional<InputStream> errors,
      CompletableFuture<Integer> exit) {}

  private Launcher(Process process) {
    this.process = process;
    this.requests = process.getOutputStream();
  }

  /**
   * @param python interpreter, 3.6 or later
   */
  static Launcher start(String python) throws IOException {
    String program;
    try (InputStream in = Launcher.class.getResourceAsStream("launcher.py")) {
      if (in == null) {
        throw new IllegalStateException("launcher.py is not in the program");
      }
      program = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    ProcessBuilder builder =
        new ProcessBuilder(python, "-I", "-S", "-c", program, "thresher-launcher")
            .redirectError(ProcessBuilder.Redirect.INHERIT);
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    Launcher launcher = new Launcher(builder.start());
    Thread.ofPlatform().daemon().name("sandbox-launcher").start(launcher::listen);
    return launcher;
  }

  boolean hasEnded() {
    return ended;
  }

  /**
   * Starts a process. What can only be seen in it, such as a control group that cannot be entered,
   * is a line of its errors and exit code 125.
   */
  Started start(Launch launch) throws IOException, InterruptedException {
    String name = Long.toString(names.incrementAndGet());
    Pending mine =
        new Pending(new CompletableFuture<>(), new CompletableFuture<>(), launch.oneOutput());
    pending.put(name, mine);
    try {
      send(fields(name, launch));
      if (ended) {
        failAll();
      }
      return mine.started().get();
    } catch (InterruptedException e) {
      // The launcher may be in a control group that the caller is about to clear.
      mine.started().handle((process, failure) -> process).join();
      CompletableFuture<Void> unused = mine.started().thenAccept(Launcher::abandon);
      throw e;
    } catch (ExecutionException e) {
      pending.remove(name);
      throw new IOException("cannot start a sandbox: " + e.getCause(), e.getCause());
    } catch (IOException e) {
      pending.remove(name);
      throw new IOException("cannot start a sandbox, its launcher does not listen: " + e, e);
    }
  }

  /** Nobody waits for it any more. */
  private static void abandon(Started process) {
    process.handle().get().ifPresent(ProcessHandle::destroyForcibly);
    try {
      process.output().close();
      if (process.errors().isPresent()) {
        process.errors().get().close();
      }
    } catch (IOException e) {
      log.warn("the output of a sandbox cannot be closed", e);
    }
  }

  private static List<String> fields(String name, Launch launch) {
    List<String> fields =
        new ArrayList<>(
            List.of(
                "start",
                name,
                launch.oneOutput() ? "1" : "0",
                Integer.toString(launch.uid()),
                Long.toString(launch.processes()),
                Long.toString(launch.fileBytes()),
                Long.toString(launch.openFiles()),
                Long.toString(launch.mostOpenFiles()),
                launch.filter().map(Path::toString).orElse(""),
                launch.status().map(Path::toString).orElse(""),
                Integer.toString(launch.doors().size())));
    launch.doors().forEach(door -> fields.add(door.toString()));
    fields.addAll(launch.command());
    return fields;
  }

  private void send(List<String> fields) throws IOException {
    ByteArrayOutputStream message = new ByteArrayOutputStream();
    message.writeBytes(new byte[Integer.BYTES]);
    for (String field : fields) {
      if (field.indexOf('\0') >= 0) {
        throw new IOException("a word of a command has a NUL in it");
      }
      if (message.size() > Integer.BYTES) {
        message.write(0);
      }
      message.writeBytes(field.getBytes(StandardCharsets.UTF_8));
    }
    byte[] bytes = message.toByteArray();
    ByteBuffer.wrap(bytes).putInt(bytes.length - Integer.BYTES);
    synchronized (requests) {
      requests.write(bytes);
      requests.flush();
    }
  }

  private void listen() {
    try (BufferedReader answers =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = answers.readLine(); line != null; line = answers.readLine()) {
        answered(line.split(" ", 3));
      }
    } catch (IOException | RuntimeException e) {
      log.warn("the launcher of sandboxes cannot be heard", e);
    }
    ended = true;
    close();
    failAll();
  }

  private void answered(String[] words) {
    Pending who = pending.get(words[1]);
    if (who == null) {
      return;
    }
    switch (words[0]) {
      case "started" -> started(words[1], who, words[2].split(" ", -1));
      case "ended" -> {
        pending.remove(words[1]);
        who.exit().complete(Integer.parseInt(words[2]));
      }
      default -> who.started().completeExceptionally(new IOException(words[2]));
    }
  }

  private void started(String name, Pending who, String[] numbers) {
    long pid = Long.parseLong(numbers[0]);
    Supplier<Optional<ProcessHandle>> handle = () -> child(pid, who.exit());
    try {
      InputStream output = open(numbers[1]);
      Optional<InputStream> errors =
          who.oneOutput() ? Optional.empty() : Optional.of(open(numbers[2]));
      send(List.of("taken", name));
      who.started().complete(new Started(handle, output, errors, who.exit()));
    } catch (IOException e) {
      handle.get().ifPresent(ProcessHandle::destroyForcibly);
      who.started().completeExceptionally(e);
    }
  }

  /** The number may be another process's when ours has ended. */
  private Optional<ProcessHandle> child(long pid, CompletableFuture<Integer> exit) {
    return exit.isDone()
        ? Optional.empty()
        : ProcessHandle.of(pid)
            .filter(found -> found.parent().filter(process.toHandle()::equals).isPresent());
  }

  /** A pipe that is opened anew this way is the same pipe. */
  private InputStream open(String descriptor) throws IOException {
    return new FileInputStream("/proc/" + process.pid() + "/fd/" + descriptor);
  }

  private void failAll() {
    IOException why = new IOException("the launcher of sandboxes has ended");
    pending.forEach(
        (name, who) -> {
          pending.remove(name);
          who.started().completeExceptionally(why);
          who.exit().completeExceptionally(why);
        });
  }

  /** Ends it, and all that it started. */
  @Override
  public void close() {
    // Not by the process itself, which would close the stream that is being read.
    process.toHandle().destroyForcibly();
  }
}
