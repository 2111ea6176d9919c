/** The way into the mirrors for what others built, over gRPC. */
@org.jspecify.annotations.NullMarked
package build.thresher.cas.push;
