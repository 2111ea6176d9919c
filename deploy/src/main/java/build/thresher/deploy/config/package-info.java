/** {@code farm.yaml}: every key, its unit and its default, in one table. */
@NullMarked
package build.thresher.deploy.config;

import org.jspecify.annotations.NullMarked;
