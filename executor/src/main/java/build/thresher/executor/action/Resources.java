package build.thresher.executor.action;

import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Limits that an action's properties set. What they ask for at least is not looked at: it is a
 * matter of where the action runs.
 *
 * @param memoryBytes at most; 0: nothing is said
 * @param milliCpus thousandths of a processor at most; 0: nothing is said
 */
record Resources(long memoryBytes, int milliCpus) {
  private static final Pattern AMOUNT = Pattern.compile("([0-9]{1,9}(?:\\.[0-9]{1,3})?) ?([a-z]*)");

  private static final String[] MEMORY_LIMITS = {"max-memory", "memory"};
  private static final String[] CPU_LIMITS = {"max-cpus", "max-cores", "cpus"};

  /** Every property about resources; the executor takes them whatever the value is. */
  static final List<String> NAMES =
      List.of(
          "memory",
          "max-memory",
          "min-memory",
          "cpus",
          "max-cpus",
          "min-cpus",
          "max-cores",
          "min-cores");

  /**
   * @throws RefusedActionException when an amount cannot be understood
   */
  static Resources of(PlatformProperties properties) throws RefusedActionException {
    String memory = properties.first(MEMORY_LIMITS).orElse("0");
    String cpus = properties.first(CPU_LIMITS).orElse("0");
    return new Resources(
        (long) amount(memory, "memory"), (int) Math.min(1 << 20, amount(cpus, "cpus") * 1000));
  }

  private static double amount(String text, String what) throws RefusedActionException {
    Matcher matcher = AMOUNT.matcher(text.toLowerCase(Locale.ROOT));
    if (!matcher.matches()) {
      throw refused(text, what);
    }
    double number = Double.parseDouble(matcher.group(1));
    return switch (matcher.group(2)) {
      case "", "b" -> number;
      case "k", "kb", "kib" -> number * (1 << 10);
      case "m", "mb", "mib" -> number * (1 << 20);
      case "g", "gb", "gib" -> number * (1 << 30);
      case "t", "tb", "tib" -> number * (1L << 40);
      default -> throw refused(text, what);
    };
  }

  private static RefusedActionException refused(String text, String what) {
    return new RefusedActionException(
        "the platform property for "
            + what
            + " is \""
            + text
            + "\"; it must be a number, with K, M, G or T for memory");
  }
}
