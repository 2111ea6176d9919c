package build.thresher.deploy.load;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * The table: a line for each row as soon as it is done, the median of its rounds for each server.
 */
final class Report {
  private final PrintWriter out;
  private final List<String> names;
  private final int width;

  Report(PrintWriter out, List<String> names) {
    this.out = out;
    this.names = names;
    this.width = Math.max(16, names.stream().mapToInt(String::length).max().orElse(0) + 2);
  }

  void head() {
    StringBuilder line = new StringBuilder("%-44s%-12s".formatted("row", "unit"));
    for (int i = 0; i < names.size(); i++) {
      line.append(("%" + width + "s").formatted(names.get(i)));
      if (i > 0) {
        line.append("%9s".formatted("1st : it"));
      }
    }
    out.println(line);
    out.flush();
  }

  /** One server's rounds of a row, or why there are none. */
  record Cell(List<Double> rounds, String why) {
    double median() {
      List<Double> sorted = new ArrayList<>(rounds);
      Collections.sort(sorted);
      int half = sorted.size() / 2;
      return sorted.size() % 2 == 1
          ? sorted.get(half)
          : (sorted.get(half - 1) + sorted.get(half)) / 2;
    }
  }

  void row(Row row, List<Cell> cells) {
    StringBuilder line = new StringBuilder("%-44s%-12s".formatted(row.name(), row.unit()));
    List<String> reasons = new ArrayList<>();
    for (int i = 0; i < cells.size(); i++) {
      Cell cell = cells.get(i);
      boolean measured = !cell.rounds().isEmpty();
      line.append(("%" + width + "s").formatted(measured ? number(cell.median()) : "-"));
      if (!measured) {
        reasons.add(names.get(i) + ": " + cell.why());
      }
      if (i > 0) {
        boolean both = measured && !cells.getFirst().rounds().isEmpty();
        double ratio = both ? cells.getFirst().median() / cell.median() : 0;
        line.append("%9s".formatted(both ? String.format(Locale.ROOT, "%.2f", ratio) : ""));
      }
    }
    out.println(line);
    reasons.forEach(reason -> out.println("    " + reason));
    out.flush();
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, value < 100 ? "%.1f" : "%,.0f", value);
  }
}
