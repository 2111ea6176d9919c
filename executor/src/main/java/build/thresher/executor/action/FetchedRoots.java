package build.thresher.executor.action;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.TreeFetcher;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;

/** Roots fetched from the store for each action anew. */
final class FetchedRoots implements InputRoots {
  private final BlobStore store;
  private final Owner owner;

  FetchedRoots(BlobStore store, Owner owner) {
    this.store = store;
    this.owner = owner;
  }

  @Override
  public InputRoot prepare(Scope scope, InputTree tree, Path directory) throws IOException {
    Path root = directory.resolve("root");
    try {
      new TreeFetcher(store, scope, TreeFetcher.Limits.GENEROUS).fetch(tree.root(), root);
    } catch (BlobNotFoundException e) {
      throw new MissingInputsException(Set.of(e.digest()));
    }
    try (Stream<Path> all = Files.walk(root)) {
      for (Path path : (Iterable<Path>) all::iterator) {
        owner.own(path);
      }
    }
    return new InputRoot() {
      @Override
      public Path path() {
        return root;
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public String describe() {
    return "fetched from the store for each action";
  }

  @Override
  public void close() {}
}
