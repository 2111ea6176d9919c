package build.thresher.executor.core;

import build.thresher.cas.client.WireTimes;
import build.thresher.v1.RegisterResponse;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the server know this executor, again whenever it has forgotten it. Several threads may
 * notice that at once; one of them registers. Thread-safe.
 */
final class Registration {
  private static final Logger log = LoggerFactory.getLogger(Registration.class);

  private final Farm farm;
  private final Leases leases;
  private long generation;

  /** Short until the server says its own: the first lease may come before the first renewal. */
  private Duration leaseTerm = Duration.ofSeconds(2);

  Registration(Farm farm, Leases leases) {
    this.farm = farm;
    this.leases = leases;
  }

  /** Grows with each registration; 0: never registered. */
  synchronized long generation() {
    return generation;
  }

  synchronized Duration leaseTerm() {
    return leaseTerm;
  }

  /** Registers, unless somebody has done so since the caller saw that generation. */
  synchronized void renew(long seen) {
    if (generation != seen) {
      return;
    }
    RegisterResponse response = farm.register(leases.held());
    if (response.hasLeaseTerm()) {
      term(WireTimes.fromWire(response.getLeaseTerm()));
    }
    generation++;
    leases.kill(response.getRefusedList());
    log.info(
        "registered; lease term {} s, {} held leases refused",
        leaseTerm.toSeconds(),
        response.getRefusedCount());
  }

  synchronized void term(Duration term) {
    if (term.isPositive()) {
      leaseTerm = term;
    }
  }

  /**
   * Reacts to a failed call: registers where the server does not know this executor.
   *
   * @return true when the call may be repeated at once
   */
  boolean recover(StatusRuntimeException failure, long seen) {
    if (failure.getStatus().getCode() != Status.Code.NOT_FOUND) {
      return false;
    }
    try {
      renew(seen);
      return true;
    } catch (StatusRuntimeException e) {
      log.warn("cannot register: {}", e.getMessage());
      return false;
    }
  }
}
