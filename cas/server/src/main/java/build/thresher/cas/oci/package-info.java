/** The instances' mirrors as repositories of an OCI registry. Helidon stays inside. */
@org.jspecify.annotations.NullMarked
package build.thresher.cas.oci;
