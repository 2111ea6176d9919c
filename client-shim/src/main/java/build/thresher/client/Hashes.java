package build.thresher.client;

import build.thresher.cas.api.spack.DagHash;

/** DAG hashes as people write them. */
final class Hashes {
  private Hashes() {}

  /** Of {@code /hash}: all 32 characters, because the farm knows no prefixes. */
  static String parse(String subject) throws ClientException {
    try {
      return new DagHash(subject.substring(1)).text();
    } catch (IllegalArgumentException e) {
      throw new ClientException(
          ClientException.USAGE,
          "`" + Text.clean(subject) + "` is not / and a DAG hash: " + e.getMessage());
    }
  }
}
