package build.thresher.scheduler.core;

import build.thresher.cas.api.Digest;

/** What a successful build left in the store; not believed before it is published. */
public record SpackOutputs(
    Digest archive, String archiveMediaType, Digest spec, String specMediaType)
    implements Outputs {}
