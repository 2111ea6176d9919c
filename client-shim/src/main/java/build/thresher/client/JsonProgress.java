package build.thresher.client;

import build.thresher.v1.Request;
import build.thresher.v1.RequestState;
import build.thresher.v1.Task;
import build.thresher.v1.Usage;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.protobuf.Duration;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Progress for programs: one JSON object a line, its member {@code event} one of accepted, task,
 * finished, note.
 */
final class JsonProgress implements Progress {
  /** ASCII alone, so that a terminal that shows it obeys nothing in it. */
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

  private final PrintStream out;

  JsonProgress(PrintStream out) {
    this.out = out;
  }

  @Override
  public void accepted(Request request) {
    request("accepted", request);
  }

  @Override
  public void task(Task task) {
    Map<String, Object> event = new LinkedHashMap<>();
    event.put("event", "task");
    event.putAll(object(task));
    print(event);
  }

  @Override
  public void finished(Request request) {
    request("finished", request);
  }

  @Override
  public void note(String line) {
    print(Map.of("event", "note", "text", line));
  }

  @Override
  public void close() {
    out.flush();
  }

  private void request(String name, Request request) {
    Map<String, Object> event = new LinkedHashMap<>();
    event.put("event", name);
    event.putAll(object(request));
    print(event);
  }

  /** A request with its tasks, as it stands in every machine-readable answer. */
  static Map<String, Object> object(Request request) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("request", request.getRequestId());
    object.put("instance", request.getInstanceName());
    object.put("client", request.getClient());
    object.put("state", word(request.getState()));
    object.put("roots", List.copyOf(request.getRootsList()));
    object.put("cached", List.copyOf(request.getCachedList()));
    object.put("externals", List.copyOf(request.getExternalsList()));
    object.put("tasks", request.getTasksList().stream().map(JsonProgress::object).toList());
    return object;
  }

  private static Map<String, Object> object(Task task) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("hash", task.getHash());
    object.put("name", task.getName());
    object.put("version", task.getVersion());
    object.put("state", word(task.getState().name(), "TASK_"));
    object.put("phase", task.getPhase());
    object.put("execution", task.getExecution());
    object.put("attempt", task.getAttempt());
    object.put("executor", task.getExecutor());
    if (task.hasUsage()) {
      object.put("usage", object(task.getUsage()));
    }
    if (task.hasFailure()) {
      object.put(
          "failure",
          Map.of(
              "class", word(task.getFailure().getFailureClass().name(), "FAILURE_"),
              "message", task.getFailure().getMessage(),
              "remembered", task.getFailure().getRemembered()));
    }
    return object;
  }

  /** What the build took; CPU is that of all its processes. */
  private static Map<String, Object> object(Usage usage) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("wall_seconds", seconds(usage.getWall()));
    object.put("user_cpu_seconds", seconds(usage.getUserCpu()));
    object.put("system_cpu_seconds", seconds(usage.getSystemCpu()));
    object.put("peak_memory_bytes", usage.getPeakMemoryBytes());
    return object;
  }

  private static double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNanos() / 1e9;
  }

  static String word(RequestState state) {
    return word(state.name(), "REQUEST_");
  }

  private static String word(String constant, String prefix) {
    return constant.replace(prefix, "").toLowerCase(Locale.ROOT);
  }

  private void print(Map<String, Object> event) {
    out.println(write(event));
    out.flush();
  }

  static String write(Object value) {
    try {
      return JSON.writeValueAsString(value).replace("\u007f", "\\u007f");
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }
}
