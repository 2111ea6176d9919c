package build.thresher.executor.core;

/**
 * Something of the host that specs may name as external.
 *
 * @param name of the Spack package
 * @param version "" where it is not known: it then matches any
 * @param path prefix, for example /usr
 * @param fingerprint sha256 over what it really is; "" where unmeasured
 */
public record HostExternal(String name, String version, String path, String fingerprint) {}
