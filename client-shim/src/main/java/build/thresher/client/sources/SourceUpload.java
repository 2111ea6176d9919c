package build.thresher.client.sources;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.LocalTree;
import build.thresher.cas.client.LocalTree.Content;
import build.thresher.cas.client.TreeUploader;
import build.thresher.cas.client.WireDigests;
import build.thresher.v1.AddSourcesRequest;
import build.thresher.v1.AddedSource;
import build.thresher.v1.NamedSource;
import build.thresher.v1.SourcesGrpc;
import com.google.common.collect.Lists;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Brings files into an instance's source mirror. What the farm has is not sent again; what was
 * interrupted is started again and goes on. A file that fails keeps none of the others out.
 */
public final class SourceUpload {
  private static final int TOGETHER = 100;

  private final BlobStore store;
  private final SourcesGrpc.SourcesBlockingStub farm;
  private final LocalTree.FileHasher hasher;
  private final String instance;
  private long uploadedBytes;

  public SourceUpload(
      BlobStore store,
      SourcesGrpc.SourcesBlockingStub farm,
      LocalTree.FileHasher hasher,
      String instance) {
    this.store = store;
    this.farm = farm;
    this.hasher = hasher;
    this.instance = instance;
  }

  /** Hears of each file as it is done. */
  public interface Listener {
    void done(LocalSource source, AddedSource added, long sizeBytes);
  }

  /**
   * @return bytes that were sent
   */
  public long run(List<LocalSource> sources, Listener listener) throws IOException {
    uploadedBytes = 0;
    for (List<LocalSource> some : Lists.partition(sources, TOGETHER)) {
      some(some, listener);
    }
    return uploadedBytes;
  }

  private void some(List<LocalSource> sources, Listener listener) throws IOException {
    Map<Digest, Content> contents = new LinkedHashMap<>();
    List<Digest> digests = new ArrayList<>();
    AddSourcesRequest.Builder request = AddSourcesRequest.newBuilder().setInstanceName(instance);
    for (LocalSource source : sources) {
      Digest digest = hasher.hash(source.file());
      digests.add(digest);
      contents.put(digest, new Content.InFile(source.file()));
      request.addSources(
          NamedSource.newBuilder()
              .setDigest(WireDigests.toWire(digest))
              .setMirrorPath(source.mirrorPath(digest))
              .addAllNames(source.names()));
    }
    uploadedBytes +=
        new TreeUploader(store, new Scope(instance, "sources")).upload(contents).bytes();
    List<AddedSource> added = farm.addSources(request.build()).getSourcesList();
    if (added.size() != sources.size()) {
      throw new IOException("the farm answers for " + added.size() + " of " + sources.size());
    }
    for (int i = 0; i < sources.size(); i++) {
      listener.done(sources.get(i), added.get(i), digests.get(i).sizeBytes());
    }
  }
}
