package build.thresher.executor.images;

import build.thresher.cas.api.Digest;
import java.io.IOException;
import java.io.InputStream;

/** Where the blobs of one image come from. Nothing that it gives is verified. */
@FunctionalInterface
interface BlobSource {
  /** A manifest or a layer. */
  InputStream open(Digest digest) throws IOException;
}
