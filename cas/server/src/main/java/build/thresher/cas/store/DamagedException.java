package build.thresher.cas.store;

/** Stored bytes fail their checksum. Never leaves the package: the store quarantines first. */
final class DamagedException extends Exception {
  private static final long serialVersionUID = 1L;
  private final int block;

  DamagedException(int block, String what) {
    super(what);
    this.block = block;
  }

  String what() {
    return block < 0 ? String.valueOf(getMessage()) : getMessage() + " (block " + block + ")";
  }
}
