package build.thresher.scheduler.farm;

import com.google.common.collect.ImmutableList;
import io.grpc.Status;
import io.grpc.StatusException;

/** The trust domains of this farm. "" names the first. */
public record Instances(ImmutableList<String> names) {

  /** The instance that a client means. */
  public String resolve(String name) throws StatusException {
    if (name.isEmpty()) {
      return names.get(0);
    }
    if (!names.contains(name)) {
      throw Status.NOT_FOUND
          .withDescription("no instance `" + name + "`; this farm has " + String.join(", ", names))
          .asException();
    }
    return name;
  }
}
