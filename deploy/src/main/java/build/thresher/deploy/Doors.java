package build.thresher.deploy;

import build.thresher.cas.api.BlobStore;
import build.thresher.cas.mirror.MirrorOptions;
import build.thresher.cas.mirror.PushedSpecs;
import build.thresher.cas.mirror.RocksSpackMirror;
import build.thresher.cas.oci.OciHandler;
import build.thresher.cas.s3.S3Handler;
import build.thresher.deploy.access.MirrorAccess;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import com.google.common.collect.ImmutableMap;
import io.helidon.webserver.http.Handler;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;

/**
 * The mirrors in other protocols, on the HTTP server.
 *
 * @param mirrorOptions say which instances take what
 * @param access who may read and push
 */
record Doors(
    FarmConfig config,
    RocksSpackMirror mirror,
    PushedSpecs pushed,
    BlobStore blobs,
    MirrorOptions mirrorOptions,
    MirrorAccess access,
    InstantSource clock) {

  /** Handlers by their routes. */
  ImmutableMap<String, Handler> routes(OciHandler oci) throws IOException {
    ImmutableMap.Builder<String, Handler> routes = ImmutableMap.builder();
    routes.putAll(oci.routes());
    // Where there is nobody whom a signature could prove, there is no S3.
    Tokens tokens = access.farm();
    if (tokens != null && !config.get(Key.MIRROR_PUSHED).isEmpty()) {
      routes.put(
          S3Handler.ROUTE,
          S3Handler.open(
              data("s3"),
              PartOptions.reserve(config),
              mirror,
              pushed,
              blobs,
              Instances.names(config)::contains,
              tokens::secret,
              access::readSecrets,
              clock));
    }
    return routes.buildOrThrow();
  }

  /** To be closed after the server that it is registered at. */
  OciHandler oci(Duration stallTimeout) throws IOException {
    return OciHandler.open(
        data("oci"),
        PartOptions.reserve(config),
        mirror,
        pushed,
        blobs,
        Instances.names(config),
        mirrorOptions,
        access,
        stallTimeout,
        clock,
        new SecureRandom());
  }

  private Path data(String name) {
    return config.get(Key.DATA).resolve(name);
  }
}
