package build.thresher.deploy.powercut;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.deploy.powercut.Names.Name;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What clients were told, and when. Kept outside the server. */
final class Ledger {
  private final List<Entry<Digest>> blobs = new CopyOnWriteArrayList<>();
  private final List<Entry<String>> requests = new CopyOnWriteArrayList<>();

  private final List<Entry<Published>> specs = new CopyOnWriteArrayList<>();
  private final List<Entry<Digest>> results = new CopyOnWriteArrayList<>();
  private final List<Entry<Name>> names = new CopyOnWriteArrayList<>();

  /** A spec that is served. */
  record Published(String instance, DagHash hash) {}

  private record Entry<T>(T what, long nanos) {}

  void blobAcknowledged(Digest digest) {
    blobs.add(new Entry<>(digest, System.nanoTime()));
  }

  void requestAccepted(String id) {
    requests.add(new Entry<>(id, System.nanoTime()));
  }

  void specPublished(String instance, DagHash hash) {
    specs.add(new Entry<>(new Published(instance, hash), System.nanoTime()));
  }

  /**
   * @param action whose result {@link RecordedFarm#result} is
   */
  void resultKept(Digest action) {
    results.add(new Entry<>(action, System.nanoTime()));
  }

  void nameGiven(Name name) {
    names.add(new Entry<>(name, System.nanoTime()));
  }

  /** All that somebody had been told before this moment. */
  List<Digest> blobsBefore(long nanos) {
    return before(blobs, nanos);
  }

  List<String> requestsBefore(long nanos) {
    return before(requests, nanos);
  }

  List<Published> specsBefore(long nanos) {
    return before(specs, nanos);
  }

  List<Digest> resultsBefore(long nanos) {
    return before(results, nanos);
  }

  List<Name> namesBefore(long nanos) {
    return before(names, nanos);
  }

  private static <T> List<T> before(List<Entry<T>> entries, long nanos) {
    return entries.stream().filter(e -> e.nanos() < nanos).map(Entry::what).toList();
  }
}
