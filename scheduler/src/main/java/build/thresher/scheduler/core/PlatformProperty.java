package build.thresher.scheduler.core;

import java.util.Locale;

/** A property that an action asks for, or that an executor offers: the name need not be unique. */
public record PlatformProperty(String name, String value) {
  /** Offered as a value, it stands for any. */
  static final String ANY = "*";

  /**
   * The same property as everybody should have written it. Clients differ in case, and in what they
   * call processors.
   */
  public PlatformProperty canonical() {
    return new PlatformProperty(canonicalName(fold(name)), canonicalValue(fold(value)));
  }

  private static String fold(String text) {
    return text.strip().toLowerCase(Locale.ROOT);
  }

  private static String canonicalName(String name) {
    return switch (name) {
      case "os", "os-family", "os_family" -> "osfamily";
      case "arch", "cpu", "isa-family", "architecture" -> "isa";
      default -> name;
    };
  }

  private static String canonicalValue(String value) {
    return switch (value) {
      case "x86-64", "amd64", "x64" -> "x86_64";
      case "arm64", "armv8-a", "armv8" -> "aarch64";
      case "darwin", "osx" -> "macos";
      default -> value;
    };
  }

  @Override
  public String toString() {
    return name + "=" + value;
  }
}
