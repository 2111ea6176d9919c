package build.thresher.executor.outputs;

import build.thresher.cas.api.Digest;

/**
 * What a build pushed, by name.
 *
 * @param archive the gzip'd tar of the prefix
 * @param archiveMediaType as Spack wrote it
 * @param spec the gzip'd spec
 * @param specMediaType as Spack wrote it
 */
public record PushedSpec(
    Digest archive, String archiveMediaType, Digest spec, String specMediaType) {}
