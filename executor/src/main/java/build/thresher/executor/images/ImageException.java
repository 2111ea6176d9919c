package build.thresher.executor.images;

import java.io.IOException;

/** The image cannot be used, now or later. The message is for the client. */
public final class ImageException extends IOException {
  private static final long serialVersionUID = 1L;

  ImageException(String message) {
    super(message);
  }
}
