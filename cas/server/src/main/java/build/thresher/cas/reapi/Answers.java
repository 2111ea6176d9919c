package build.thresher.cas.reapi;

import io.grpc.stub.StreamObserver;
import java.io.IOException;

/** The one shape of a call with one answer: a message, or what its failure is called. */
final class Answers {
  private Answers() {}

  interface Answer<T> {
    T make() throws IOException;
  }

  static <T> void answer(StreamObserver<T> observer, Answer<T> answer) {
    T message;
    try {
      message = answer.make();
    } catch (IOException | RuntimeException e) {
      observer.onError(Statuses.of(e).asRuntimeException());
      return;
    }
    observer.onNext(message);
    observer.onCompleted();
  }
}
