package build.thresher.cas.mirror;

/** Says which rule an archive breaks, to be put after the archive's name. */
final class BrokenRuleException extends Exception {
  private static final long serialVersionUID = 1L;

  BrokenRuleException(String message) {
    super(message);
  }

  /**
   * @param entry whose name stands first in the sentence
   */
  static BrokenRuleException of(String rule, TarReader.Entry entry, Object... more) {
    Object[] all = new Object[more.length + 1];
    all[0] = TarReader.readable(entry.name());
    System.arraycopy(more, 0, all, 1, more.length);
    return new BrokenRuleException(rule.formatted(all));
  }
}
