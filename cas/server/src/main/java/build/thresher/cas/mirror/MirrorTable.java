package build.thresher.cas.mirror;

import java.util.Locale;

/** The tables of a mirror, each a column family of the name in lower case. */
enum MirrorTable {
  /** DAG hash → {@link PublishedRecord}. */
  PUBLISHED,
  /**
   * DAG hash → the node's text and its dependencies, for every node of every published DAG: the
   * segments that an index is put together from.
   */
  NODES,
  /** 32 bytes → size and end of service of an index blob. */
  INDICES,
  /** DAG hash → what was taken out and can be put back. */
  PRUNED,
  /** Name of a pin → what it keeps. */
  PINS,
  /** DAG hash → hour of the last use. */
  USED,
  /** Name of a view → what it shows. */
  VIEWS,
  /** One row while a key takes another's place. */
  ROTATIONS,
  /** DAG hash → {@link NodeFacts}, for the same nodes as {@link #NODES}. */
  FACTS;

  String family() {
    return name().toLowerCase(Locale.ROOT);
  }
}
