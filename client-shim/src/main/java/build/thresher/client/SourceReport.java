package build.thresher.client;

import build.thresher.client.sources.LocalSource;
import build.thresher.v1.AddedSource;
import build.thresher.v1.SourceOutcome;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Says what became of each source, and of all. */
final class SourceReport {
  private final boolean json;
  private final Map<SourceOutcome, Integer> counts = new EnumMap<>(SourceOutcome.class);

  SourceReport(boolean json) {
    this.json = json;
  }

  void done(LocalSource source, AddedSource added, long sizeBytes) {
    done(source.title(), added.getOutcome(), added.getReason(), sizeBytes);
  }

  void done(String title, SourceOutcome outcome, String reason, long sizeBytes) {
    counts.merge(outcome, 1, Integer::sum);
    if (json) {
      Map<String, Object> object = new LinkedHashMap<>();
      object.put("source", title);
      object.put("outcome", outcome.name().replaceFirst("SOURCE_", "").toLowerCase(Locale.ROOT));
      object.put("bytes", sizeBytes);
      if (!reason.isEmpty()) {
        object.put("reason", reason);
      }
      System.out.println(JsonProgress.write(object));
    } else {
      System.out.println(
          Text.clean(mark(outcome) + " " + title + (reason.isEmpty() ? "" : "  " + reason)));
    }
  }

  private static String mark(SourceOutcome outcome) {
    return switch (outcome) {
      case SOURCE_ADDED -> "[+]";
      case SOURCE_IDENTICAL -> "[=]";
      case SOURCE_DIFFERENT -> "[!]";
      case SOURCE_REFUSED, SOURCE_OUTCOME_UNSPECIFIED, UNRECOGNIZED -> "[x]";
    };
  }

  /**
   * @param more what else there is to say
   * @return the exit code
   */
  int end(String more) {
    int all = counts.values().stream().mapToInt(Integer::intValue).sum();
    int added = counts.getOrDefault(SourceOutcome.SOURCE_ADDED, 0);
    int same = counts.getOrDefault(SourceOutcome.SOURCE_IDENTICAL, 0);
    int different = counts.getOrDefault(SourceOutcome.SOURCE_DIFFERENT, 0);
    int failed = all - added - same - different;
    if (!json) {
      System.out.printf(
          "%d sources: %d added, %d there already, %d there with other content, %d failed;"
              + " %s%n",
          all, added, same, different, failed, more);
    }
    return failed > 0 ? ClientException.FAILED : 0;
  }
}
