package build.thresher.scheduler.core;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What ties a request to one of its tasks: to the live task, and afterwards to how it ended. */
final class Hold {
  final Request request;
  final int position;

  /**
   * What the request asked for; the task may have been begun with other inputs. Null in a hold that
   * was loaded after its end, of which nobody asks it.
   */
  private final @Nullable Definition wanted;

  @Nullable Task task;
  @Nullable TaskSnapshot ended;

  Hold(Request request, int position, @Nullable Definition wanted) {
    this.request = request;
    this.position = position;
    this.wanted = wanted;
  }

  Definition wanted() {
    return Objects.requireNonNull(wanted, "an ended hold wants nothing");
  }
}
