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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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

  /** Of one program, each of which uses those before it. */
  private static final List<String> PARTS =
      List.of("mounts.py", "processes.py", "networks.py", "start.py", "launcher.py");

  private final Process process;
  private final OutputStream requests;
  private final AtomicLong names = new AtomicLong();
  private final Map<String, Pending> pending = new ConcurrentHashMap<>();
  private volatile boolean ended;

  /**
   * @param user of nobody else, where the kernel may let it outlive this process; negative: none
   */
  private record Pending(
      int user,
      CompletableFuture<Started> started,
      CompletableFuture<Optional<Outputs>> outputs,
      CompletableFuture<Exit> exit) {
    boolean isOver() {
      return outputs.isDone() && exit.isDone();
    }
  }

  /**
   * A process that runs, or ran.
   *
   * @param handle the process itself, while it runs: to look it up takes a moment
   * @param outputs known once it has written something; nothing when nobody wrote and nobody can
   *     any more. What follows runs on the thread that hears the launcher, and must not block.
   * @param exit how it ended; this and the outputs fail when the launcher ended before it
   */
  record Started(
      Supplier<Optional<ProcessHandle>> handle,
      CompletableFuture<Optional<Outputs>> outputs,
      CompletableFuture<Exit> exit) {}

  /**
   * How a process ended.
   *
   * @param code its exit code, or 128 and the number of the signal that ended it
   * @param ran whether bubblewrap could start the command
   */
  record Exit(int code, boolean ran) {}

  /**
   * What a process writes, for the caller to read to the end and close.
   *
   * @param errors its standard error, if that is apart
   */
  record Outputs(InputStream output, Optional<InputStream> errors) {}

  private Launcher(Process process) {
    this.process = process;
    this.requests = process.getOutputStream();
  }

  /**
   * @param python interpreter, 3.6 or later
   * @param shown what it must not lose of the host's file systems
   */
  static Launcher start(String python, Shown shown) throws IOException {
    StringBuilder program = new StringBuilder();
    for (String part : PARTS) {
      program.append(text(part));
    }
    List<String> words =
        new ArrayList<>(List.of(python, "-I", "-S", "-c", program.toString(), "thresher-launcher"));
    shown.always().forEach(path -> words.add(path.toString()));
    words.add("--");
    shown.further().forEach(path -> words.add(path.toString()));
    ProcessBuilder builder =
        new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT);
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    Launcher launcher = new Launcher(builder.start());
    Thread.ofPlatform().daemon().name("sandbox-launcher").start(launcher::listen);
    return launcher;
  }

  private static String text(String name) throws IOException {
    try (InputStream in = Launcher.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException(name + " is not in the program");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
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
        new Pending(
            launch.onHost().isPresent() ? launch.uid() : -1,
            new CompletableFuture<>(),
            new CompletableFuture<>(),
            new CompletableFuture<>());
    pending.put(name, mine);
    try {
      send(fields(name, launch));
      if (ended) {
        fail(mine);
      }
      return await(mine.started());
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

  /**
   * Waits for as long as it takes, unless the launcher was stopped: a command without a sandbox
   * can.
   */
  <T> T await(CompletableFuture<T> answer) throws InterruptedException, ExecutionException {
    while (true) {
      try {
        return answer.get(1, TimeUnit.SECONDS);
      } catch (TimeoutException e) {
        endIfStopped();
      }
    }
  }

  /** One that does nothing any more is of no use; its end fails what waits for it. */
  void endIfStopped() {
    try {
      String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
      if (stat.charAt(stat.lastIndexOf(')') + 2) == 'T') {
        log.warn("somebody has stopped the launcher of sandboxes: it is ended");
        close();
      }
    } catch (IOException e) {
      // It has ended.
    }
  }

  /** Nobody waits for it any more. */
  private static void abandon(Started process) {
    process.handle().get().ifPresent(ProcessHandle::destroyForcibly);
    CompletableFuture<Void> unused =
        process.outputs().thenAccept(outputs -> outputs.ifPresent(Launcher::closeAll));
  }

  private static void closeAll(Outputs outputs) {
    try {
      outputs.output().close();
      if (outputs.errors().isPresent()) {
        outputs.errors().get().close();
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
                Integer.toString(launch.network().orElse(-1)),
                Integer.toString(launch.doors().size())));
    for (ControlGroups.Door door : launch.doors()) {
      fields.add(door.in().toString());
      fields.add(door.out().map(Path::toString).orElse(""));
    }
    fields.add(launch.onHost().map(Launch.OnHost::workingDirectory).orElse(""));
    Map<String, String> environment =
        launch.onHost().map(Launch.OnHost::environment).orElse(Map.of());
    fields.add(Integer.toString(environment.size()));
    environment.forEach((variable, value) -> fields.add(variable + "=" + value));
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
    // Before anybody hears of it: who does gives the user to the next command.
    pending.values().stream()
        .filter(who -> who.user() > 0)
        .forEach(who -> UserProcesses.kill(who.user()));
    pending.forEach(
        (name, who) -> {
          pending.remove(name);
          fail(who);
        });
  }

  private void answered(String[] words) {
    Pending who = pending.get(words[1]);
    if (who == null) {
      return;
    }
    switch (words[0]) {
      case "started" -> who.started().complete(started(who, Long.parseLong(words[2])));
      case "output" -> output(words[1], who, words[2].split(" ", -1));
      case "quiet" -> who.outputs().complete(Optional.empty());
      case "ended" -> who.exit().complete(exit(words[2].split(" ", -1)));
      default -> who.started().completeExceptionally(new IOException(words[2]));
    }
    if (who.isOver()) {
      pending.remove(words[1]);
    }
  }

  private static Exit exit(String[] numbers) {
    return new Exit(Integer.parseInt(numbers[0]), numbers[1].equals("1"));
  }

  private Started started(Pending who, long pid) {
    return new Started(() -> child(pid, who.exit()), who.outputs(), who.exit());
  }

  private void output(String name, Pending who, String[] descriptors) {
    try {
      InputStream output = open(descriptors[0]);
      Optional<InputStream> errors =
          descriptors[1].equals("-1") ? Optional.empty() : Optional.of(open(descriptors[1]));
      send(List.of("taken", name));
      who.outputs().complete(Optional.of(new Outputs(output, errors)));
    } catch (IOException e) {
      // Nobody reads, so that it could block for ever.
      CompletableFuture<Void> unused =
          who.started()
              .thenAccept(
                  process -> process.handle().get().ifPresent(ProcessHandle::destroyForcibly));
      who.outputs().completeExceptionally(e);
    }
  }

  /** The number may be another process's when ours has ended. */
  private Optional<ProcessHandle> child(long pid, CompletableFuture<Exit> exit) {
    return exit.isDone()
        ? Optional.empty()
        : ProcessHandle.of(pid)
            .filter(found -> found.parent().filter(process.toHandle()::equals).isPresent());
  }

  /** A pipe that is opened anew this way is the same pipe. */
  private InputStream open(String descriptor) throws IOException {
    return new FileInputStream("/proc/" + process.pid() + "/fd/" + descriptor);
  }

  private static void fail(Pending who) {
    IOException why = new IOException("the launcher of sandboxes has ended");
    who.started().completeExceptionally(why);
    who.outputs().completeExceptionally(why);
    who.exit().completeExceptionally(why);
  }

  /** Ends it, and all that it started. */
  @Override
  public void close() {
    // Not by the process itself, which would close the stream that is being read.
    process.toHandle().destroyForcibly();
  }
}
