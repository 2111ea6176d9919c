package build.thresher.executor.core;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.client.TreeFetcher;
import build.thresher.executor.inputs.PrefixCache;
import build.thresher.executor.inputs.RemoteSources;
import build.thresher.executor.inputs.SourceCache;
import build.thresher.executor.inputs.TreeCache;
import java.io.Closeable;
import java.io.IOException;
import java.time.InstantSource;

/**
 * What builds of this host need again and again. All executors with one work directory share it.
 */
record Caches(PrefixCache prefixes, TreeCache trees, SourceCache sources) implements Closeable {

  static Caches open(
      WorkDirectory work,
      ExecutorOptions.CacheSizes sizes,
      BlobStore store,
      RemoteSources remote,
      InstantSource clock)
      throws IOException {
    int parallel = Math.max(2, Runtime.getRuntime().availableProcessors());
    return new Caches(
        new PrefixCache(work.shared("prefixes"), sizes.prefixBytes(), parallel, store, clock),
        new TreeCache(
            work.shared("trees"),
            sizes.treeBytes(),
            (scope, tree, into) ->
                new TreeFetcher(store, scope, TreeFetcher.Limits.GENEROUS).fetch(tree, into),
            clock),
        new SourceCache(work.shared("sources"), sizes.sourceBytes(), store, remote, clock));
  }

  @Override
  public void close() throws IOException {
    prefixes.close();
    trees.close();
    sources.close();
  }
}
