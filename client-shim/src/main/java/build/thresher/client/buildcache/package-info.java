/** Reads and writes Spack's binary mirrors (layouts v3 and v2) in directories and over HTTP. */
@org.jspecify.annotations.NullMarked
package build.thresher.client.buildcache;
