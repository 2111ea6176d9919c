package build.thresher.executor.core;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Something of the host that specs may name as external.
 *
 * @param name of the Spack package
 * @param version "" where it is not known: it then matches any
 * @param path prefix, for example /usr
 * @param fingerprint sha256 over what it really is; "" where unmeasured
 */
public record HostExternal(String name, String version, String path, String fingerprint) {

  /** What somebody says is there; compilers in it are measured. */
  public static HostExternal at(String name, String version, Path prefix) throws IOException {
    return new HostExternal(name, version, prefix.toString(), HostTools.fingerprint(prefix));
  }
}
