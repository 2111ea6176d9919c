/** What benchmarks share: a farm's clients and executors on one thread, and what threads cost. */
@NullMarked
package build.thresher.testing.bench;

import org.jspecify.annotations.NullMarked;
