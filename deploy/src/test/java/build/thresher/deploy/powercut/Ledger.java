package build.thresher.deploy.powercut;

import build.thresher.cas.api.Digest;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** What clients were told, and when. Kept outside the server. */
final class Ledger {
  private final List<Entry<Digest>> blobs = new CopyOnWriteArrayList<>();
  private final List<Entry<String>> requests = new CopyOnWriteArrayList<>();

  private record Entry<T>(T what, long nanos) {}

  void blobAcknowledged(Digest digest) {
    blobs.add(new Entry<>(digest, System.nanoTime()));
  }

  void requestAccepted(String id) {
    requests.add(new Entry<>(id, System.nanoTime()));
  }

  /** All that somebody had been told before this moment. */
  List<Digest> blobsBefore(long nanos) {
    return before(blobs, nanos);
  }

  List<String> requestsBefore(long nanos) {
    return before(requests, nanos);
  }

  private static <T> List<T> before(List<Entry<T>> entries, long nanos) {
    return entries.stream().filter(e -> e.nanos() < nanos).map(Entry::what).toList();
  }
}
