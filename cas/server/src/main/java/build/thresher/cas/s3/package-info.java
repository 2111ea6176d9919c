/**
 * The part of Amazon's S3 protocol with which an unmodified Spack pushes to a mirror and reads it.
 */
@org.jspecify.annotations.NullMarked
package build.thresher.cas.s3;
