package build.thresher.executor.action;

import build.thresher.cas.api.Digest;
import com.google.common.collect.ImmutableMap;
import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.util.Optional;

/**
 * One action to run, as the scheduler leased it.
 *
 * @param instance trust domain
 * @param action digest of the Action message
 * @param timeout wall time of the command; empty for the executor's own limit
 * @param properties of the platform that was asked for
 * @param queued when the server queued it
 * @param memoryLimitBytes 0 for the executor's own limit
 * @param messages what came with the lease of Action and Command, by its true digest
 */
public record ActionTask(
    String instance,
    Digest action,
    Optional<Duration> timeout,
    PlatformProperties properties,
    Optional<Timestamp> queued,
    long memoryLimitBytes,
    ImmutableMap<Digest, ByteString> messages) {}
