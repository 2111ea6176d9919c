package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;

/**
 * The trees that a build brings along. The same key with other inputs is the same task as long as
 * it succeeds; when it fails, it failed for these inputs only.
 */
public record Inputs(Digest core, Digest recipes, Digest configuration) {}
