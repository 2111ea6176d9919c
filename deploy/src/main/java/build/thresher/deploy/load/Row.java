package build.thresher.deploy.load;

/** One line of the report: a kind of work and how it is counted. */
interface Row {
  String name();

  /** What the number counts; more is better, unless it is a time. */
  String unit();

  /**
   * Does the work once. What it only prepares, as uploads of actions, is not measured.
   *
   * @param round 0, 1, 2…, and below 0 those that only warm; each does work that the server has not
   *     seen
   * @throws NotOfferedException when the server does not offer it
   */
  double measure(Target target, int round) throws Exception;

  /** The server does not offer this, in its own words. */
  final class NotOfferedException extends Exception {
    NotOfferedException(String why) {
      super(why);
    }
  }

  /** What {@link #of} makes a row from. */
  interface Measurement {
    double measure(Target target, int round) throws Exception;
  }

  static Row of(String name, String unit, Measurement measurement) {
    return new Row() {
      @Override
      public String name() {
        return name;
      }

      @Override
      public String unit() {
        return unit;
      }

      @Override
      public double measure(Target target, int round) throws Exception {
        return measurement.measure(target, round);
      }
    };
  }
}
