package build.thresher.executor.inputs;

import build.thresher.cas.api.Digest;

/**
 * A dependency that was built before.
 *
 * @param hash its DAG hash
 * @param path where it belongs, absolute
 * @param archive the gzip'd tar as Spack pushed it
 */
public record BuiltPrefix(String hash, String path, Digest archive) {
  public BuiltPrefix {
    Names.dagHash(hash);
    Names.absolutePath(path);
  }
}
