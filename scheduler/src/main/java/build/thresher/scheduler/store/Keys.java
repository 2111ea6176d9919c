package build.thresher.scheduler.store;

import build.thresher.scheduler.core.RememberedFailure;
import build.thresher.scheduler.core.TaskKey;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HexFormat;

/**
 * Where each record is: readable text, the pool first, so that a prefix names a set and its order
 * is the order in which it is wanted.
 */
final class Keys {
  /** Of the store as a whole. */
  static final byte[] FORMAT = "format".getBytes(StandardCharsets.UTF_8);

  private final String pool;

  Keys(String pool) {
    this.pool = pool;
  }

  byte[] epoch() {
    return key("epoch");
  }

  byte[] live(String request) {
    return key("live", request);
  }

  byte[] finished(String request) {
    return key("finished", request);
  }

  /** Of every request, newest first. */
  byte[] listed(Instant created, String request) {
    return key("listed", number(Long.MAX_VALUE - created.toEpochMilli()), request);
  }

  byte[] hold(String request, int position) {
    return key("hold", request, number(position));
  }

  byte[] definition(long task) {
    return key("definition", number(task));
  }

  byte[] task(long task) {
    return key("task", number(task));
  }

  byte[] latest(TaskKey key) {
    return key("latest", key.instance(), key.hash());
  }

  byte[] execution(String name) {
    return key("execution", name);
  }

  /** What may be forgotten, oldest first; a request has no value, an execution its name. */
  byte[] agedRequest(Instant finished, String request) {
    return key("aged", number(finished.toEpochMilli()), "request", request);
  }

  byte[] agedExecution(Instant finished, String name) {
    return key("aged", number(finished.toEpochMilli()), "execution", name.replace('/', ':'));
  }

  byte[] agedBefore(Instant time) {
    return key("aged", number(time.toEpochMilli()));
  }

  byte[] failure(RememberedFailure f) {
    return key(
        "failure",
        f.key().instance(),
        f.key().hash(),
        f.inputs().core().hex(),
        f.inputs().recipes().hex(),
        f.inputs().configuration().hex(),
        f.executorClass());
  }

  byte[] failures(TaskKey key) {
    return key("failure", key.instance(), key.hash(), "");
  }

  byte[] duration(String name) {
    return key("duration", name);
  }

  /** Everything of a kind; the empty last part makes the prefix end in a separator. */
  byte[] all(String kind) {
    return key(kind, "");
  }

  byte[] holds(String request) {
    return key("hold", request, "");
  }

  /** The package of a duration's key. */
  String durationName(byte[] key) {
    return new String(key, StandardCharsets.UTF_8).substring(duration("").length);
  }

  /** The last part of a key that ends in a number or in a name without a slash. */
  static String lastPart(byte[] key) {
    String text = new String(key, StandardCharsets.UTF_8);
    return text.substring(text.lastIndexOf('/') + 1);
  }

  byte[] key(String... parts) {
    return (pool + "/" + String.join("/", parts)).getBytes(StandardCharsets.UTF_8);
  }

  private static String number(long n) {
    return HexFormat.of().toHexDigits(n);
  }
}
