package build.thresher.deploy.demo;

import build.bazel.remote.execution.v2.ActionResult;
import build.bazel.remote.execution.v2.ExecuteResponse;
import build.bazel.remote.execution.v2.OutputFile;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.client.WireDigests;
import build.thresher.deploy.demo.RemoteActions.Input;
import io.grpc.Channel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * A small C program built as Bazel and its like build: an action for each source file, one that
 * makes a library of the objects, one that links, one that runs the program. Three times: from
 * nothing, again, and with one file changed.
 */
public final class ActionDemo {
  private static final int SOURCES = 28;

  private final PrintStream out;
  private final RemoteActions actions;
  private final String compiler;

  private ActionDemo(PrintStream out, RemoteActions actions, String compiler) {
    this.out = out;
    this.actions = actions;
    this.compiler = compiler;
  }

  /** A C compiler at a place that actions see. */
  public static Optional<String> compiler() {
    return Stream.of("/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang")
        .filter(path -> Files.isExecutable(Path.of(path)))
        .findFirst();
  }

  /** Runs it all; returns when the third build is done. */
  public static void run(PrintStream out, Channel channel, BlobStore store, String compiler)
      throws IOException, InterruptedException, DemoException {
    ActionDemo demo = new ActionDemo(out, new RemoteActions(channel, store), compiler);
    out.println("\nA C program of " + SOURCES + " files, built through the Remote Execution API.");
    out.println("\n--- From nothing ---");
    demo.build(1);
    out.println("\n--- The same again, as another client would ask for it ---");
    demo.build(1);
    out.println("\n--- With one file changed ---");
    demo.build(2);
  }

  /** What a build did. */
  private record Count(AtomicInteger ran, AtomicInteger cached) {
    void add(ExecuteResponse response) {
      (response.getCachedResult() ? cached : ran).incrementAndGet();
    }
  }

  private void build(int version) throws IOException, InterruptedException, DemoException {
    long start = System.nanoTime();
    Count count = new Count(new AtomicInteger(), new AtomicInteger());
    SortedMap<String, Input> objects = compileAll(version, count);
    List<String> archive = new ArrayList<>(List.of("/usr/bin/ar", "rcsD", "libparts.a"));
    archive.addAll(objects.keySet());
    SortedMap<String, Input> link = new TreeMap<>();
    link.put("libparts.a", output(count, archive, objects, "libparts.a"));
    link.put("main.c", actions.file(bytes(mainSource())));
    SortedMap<String, Input> program = new TreeMap<>();
    program.put(
        "program",
        output(
            count,
            List.of(compiler, "-O1", "main.c", "libparts.a", "-o", "program"),
            link,
            "program"));
    ExecuteResponse said = actions.execute(List.of("./program"), program, List.of());
    count.add(said);
    out.printf(
        "%d actions ran, %d were taken from the cache, in %.1f s. The program says: %s",
        count.ran().get(),
        count.cached().get(),
        (System.nanoTime() - start) / 1e9,
        said.getResult().getStdoutRaw().toStringUtf8());
  }

  private SortedMap<String, Input> compileAll(int version, Count count)
      throws IOException, InterruptedException, DemoException {
    Input header = actions.file(bytes(header()));
    SortedMap<String, Future<Input>> running = new TreeMap<>();
    SortedMap<String, Input> objects = new TreeMap<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < SOURCES; i++) {
        String name = "part" + i;
        Input source = actions.file(bytes(source(i, i == 0 ? version : 1)));
        SortedMap<String, Input> inputs = new TreeMap<>();
        inputs.put("parts.h", header);
        inputs.put(name + ".c", source);
        List<String> compile = List.of(compiler, "-O1", "-c", name + ".c", "-o", name + ".o");
        running.put(name + ".o", threads.submit(() -> output(count, compile, inputs, name + ".o")));
      }
      for (Map.Entry<String, Future<Input>> one : running.entrySet()) {
        objects.put(one.getKey(), finished(one.getValue()));
      }
    }
    return objects;
  }

  private static Input finished(Future<Input> future)
      throws IOException, InterruptedException, DemoException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof DemoException demo) {
        throw demo;
      }
      throw new IOException("an action was not executed", e);
    }
  }

  private Input output(
      Count count, List<String> arguments, SortedMap<String, Input> inputs, String name)
      throws IOException, DemoException {
    ExecuteResponse response = actions.execute(arguments, inputs, List.of(name));
    count.add(response);
    ActionResult result = response.getResult();
    for (OutputFile file : result.getOutputFilesList()) {
      if (file.getPath().equals(name)) {
        return new Input(WireDigests.fromWire(file.getDigest()), file.getIsExecutable());
      }
    }
    throw new DemoException("`" + String.join(" ", arguments) + "` did not make " + name);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String header() {
    StringBuilder text = new StringBuilder("#pragma once\n");
    for (int i = 0; i < SOURCES; i++) {
      text.append("long part").append(i).append("(long x);\n");
    }
    return text.toString();
  }

  private static String source(int number, int version) {
    return """
        #include "parts.h"
        long part%d(long x) {
          for (int i = 0; i < %d; i++) x = (x * 31 + i) %% 1000003;
          return x;
        }
        """
        .formatted(number, 1000 * version + number);
  }

  private static String mainSource() {
    StringBuilder text = new StringBuilder("#include <stdio.h>\nlong x = 1;\n");
    StringBuilder body = new StringBuilder();
    for (int i = 0; i < SOURCES; i++) {
      text.append("long part").append(i).append("(long x);\n");
      body.append("  x = part").append(i).append("(x);\n");
    }
    return text + "int main(void) {\n" + body + "  printf(\"%ld\\n\", x);\n  return 0;\n}\n";
  }
}
