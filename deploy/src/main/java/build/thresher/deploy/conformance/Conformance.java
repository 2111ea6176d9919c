package build.thresher.deploy.conformance;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.PrintStream;
import java.util.List;
import java.util.stream.Stream;

/** All rules, and how a server does on them. */
public final class Conformance {
  private Conformance() {}

  /** Every rule, those about storing first. */
  public static List<Rule> rules() {
    return Stream.of(
            CacheRules.all(),
            StreamRules.all(),
            AssetRules.all(),
            ResultRules.all(),
            OutputRules.all(),
            OperationRules.all(),
            RefusedActionRules.all(),
            NewerRules.all())
        .flatMap(List::stream)
        .toList();
  }

  /**
   * Tries all rules and prints a line for each.
   *
   * @return how many the server breaks
   */
  public static int run(Subject server, PrintStream out) {
    int kept = 0;
    int broken = 0;
    int skipped = 0;
    for (Rule rule : rules()) {
      try {
        rule.check().on(server);
        kept++;
        out.println("ok      " + rule.name());
      } catch (NotOfferedException e) {
        skipped++;
        out.println("-       " + rule.name() + ": " + e.getMessage());
      } catch (Exception e) {
        if (isUnimplemented(e)) {
          skipped++;
          out.println("-       " + rule.name() + ": UNIMPLEMENTED");
        } else {
          broken++;
          out.println("BROKEN  " + rule.name());
          out.println("        " + (e instanceof BrokenRuleException ? e.getMessage() : e));
          out.println("        " + rule.place());
        }
      }
    }
    out.printf("%d rules kept, %d broken, %d not offered%n", kept, broken, skipped);
    return broken;
  }

  private static boolean isUnimplemented(Exception e) {
    return e instanceof StatusRuntimeException status
        && status.getStatus().getCode() == Status.Code.UNIMPLEMENTED;
  }
}
