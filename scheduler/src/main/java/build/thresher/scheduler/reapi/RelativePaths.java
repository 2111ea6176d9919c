package build.thresher.scheduler.reapi;

import com.google.common.base.Splitter;

/** Paths below the input root, as the API allows them. */
final class RelativePaths {
  private static final int MAX_LENGTH = 4096;
  private static final Splitter SEGMENTS = Splitter.on('/');

  private RelativePaths() {}

  /**
   * Forward slashes, relative, no empty segment, no {@code .} or {@code ..}.
   *
   * @param what is named so, for the refusal
   */
  static void check(String what, String path) throws ActionRefused {
    if (path.length() > MAX_LENGTH) {
      throw ActionRefused.because(what + " has more than " + MAX_LENGTH + " characters");
    }
    if (path.indexOf('\0') >= 0) {
      throw ActionRefused.because(what + " holds a NUL");
    }
    for (String segment : SEGMENTS.split(path)) {
      if (segment.isEmpty() || segment.equals(".") || segment.equals("..")) {
        throw ActionRefused.because(
            what
                + " `"
                + path
                + "` must be relative, with forward slashes and without `.`, `..` or empty"
                + " segments");
      }
    }
  }

  /**
   * An output, relative to the working directory: it may lead out of that, not out of the input
   * root. BuildStream asks for {@code .} and for directories beside the working directory.
   */
  static void checkOutput(String workingDirectory, String path) throws ActionRefused {
    if (path.startsWith("/") || path.indexOf('\0') >= 0 || path.length() > MAX_LENGTH) {
      throw ActionRefused.because(
          "the output `"
              + path
              + "` must be relative, of at most "
              + MAX_LENGTH
              + " characters, and none of them NUL");
    }
    int depth = workingDirectory.isEmpty() ? 0 : SEGMENTS.splitToList(workingDirectory).size();
    for (String segment : SEGMENTS.split(path)) {
      if (segment.isEmpty()) {
        throw ActionRefused.because("the output `" + path + "` has an empty segment");
      }
      depth += segment.equals("..") ? -1 : segment.equals(".") ? 0 : 1;
      if (depth < 0) {
        throw ActionRefused.because("the output `" + path + "` leaves the input root");
      }
    }
  }

  /** One segment of a path. */
  static void checkName(String what, String name) throws ActionRefused {
    if (name.isEmpty()
        || name.equals(".")
        || name.equals("..")
        || name.indexOf('/') >= 0
        || name.indexOf('\0') >= 0
        || name.length() > 255) {
      throw ActionRefused.because(what + " has the name `" + name + "`, which no file can have");
    }
  }
}
