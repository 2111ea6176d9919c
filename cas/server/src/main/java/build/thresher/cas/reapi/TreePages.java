package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.Directory;
import build.bazel.remote.execution.v2.DirectoryNode;
import build.bazel.remote.execution.v2.GetTreeResponse;
import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.BlobStore;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.client.WireDigests;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Status;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The directories of a tree, breadth first, each distinct one once, in pages; so a graph that would
 * unfold exponentially costs what it occupies. Directories that the store lacks are left out, but
 * for the root. A page token is the number of directories sent before it.
 */
final class TreePages implements StreamPump.Source<GetTreeResponse> {
  private static final int MAX_PAGE = 1_000;
  private static final long MAX_PAGE_BYTES = 1 << 20;
  private static final int MAX_DIRECTORIES = 1_000_000;
  private static final long MAX_DIRECTORY_BYTES = 16 << 20;

  private final BlobStore store;
  private final Scope scope;
  private final Digest root;
  private final int pageSize;
  private final Queue<Digest> queue = new ArrayDeque<>();
  private final Set<Digest> seen = new HashSet<>();
  private int sent;

  TreePages(BlobStore store, Scope scope, Digest root, int pageSize, String token)
      throws IOException {
    if (pageSize < 0) {
      throw new IllegalArgumentException(
          "a page size cannot be negative; 0 lets the server choose");
    }
    this.store = store;
    this.scope = scope;
    this.root = root;
    this.pageSize = pageSize == 0 ? MAX_PAGE : Math.min(pageSize, MAX_PAGE);
    enqueue(root);
    int skip = parse(token);
    while (sent < skip) {
      if (nextDirectory() == null) {
        throw new IllegalArgumentException("the page token is not one of this tree");
      }
    }
  }

  private static int parse(String token) {
    if (token.isEmpty()) {
      return 0;
    }
    if (!token.matches("[0-9]{1,9}")) {
      throw new IllegalArgumentException("the page token is not one that this server gave");
    }
    return Integer.parseInt(token);
  }

  @Override
  public @Nullable GetTreeResponse next() throws IOException {
    GetTreeResponse.Builder page = GetTreeResponse.newBuilder();
    long bytes = 0;
    while (page.getDirectoriesCount() < pageSize && bytes < MAX_PAGE_BYTES) {
      Directory directory = nextDirectory();
      if (directory == null) {
        break;
      }
      page.addDirectories(directory);
      bytes += directory.getSerializedSize();
    }
    if (page.getDirectoriesCount() == 0) {
      return null;
    }
    if (!queue.isEmpty()) {
      page.setNextPageToken(Integer.toString(sent));
    }
    return page.build();
  }

  private @Nullable Directory nextDirectory() throws IOException {
    for (Digest digest = queue.poll(); digest != null; digest = queue.poll()) {
      try {
        Directory directory = Directory.parseFrom(store.readAll(scope, digest));
        for (DirectoryNode child : directory.getDirectoriesList()) {
          enqueue(WireDigests.fromWire(child.getDigest()));
        }
        sent++;
        return directory;
      } catch (BlobNotFoundException e) {
        if (digest.equals(root)) {
          throw e;
        }
      } catch (InvalidProtocolBufferException e) {
        throw new IllegalArgumentException("blob " + digest + " is not a Directory", e);
      }
    }
    return null;
  }

  private void enqueue(Digest digest) {
    if (digest.sizeBytes() > MAX_DIRECTORY_BYTES) {
      throw new IllegalArgumentException("blob " + digest + " is too large for a Directory");
    }
    if (seen.add(digest)) {
      if (seen.size() > MAX_DIRECTORIES) {
        throw Status.RESOURCE_EXHAUSTED
            .withDescription("the tree has more than " + MAX_DIRECTORIES + " directories")
            .asRuntimeException();
      }
      queue.add(digest);
    }
  }
}
