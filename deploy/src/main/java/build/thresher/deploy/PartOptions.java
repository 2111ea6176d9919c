package build.thresher.deploy;

import static com.google.common.collect.ImmutableList.toImmutableList;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.http.MirrorHttpOptions;
import build.thresher.cas.sources.SourceOptions;
import build.thresher.cas.store.StoreOptions;
import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import build.thresher.deploy.config.Key;
import build.thresher.scheduler.SchedulerOptions;
import build.thresher.scheduler.core.CoreOptions;
import build.thresher.scheduler.core.PlatformProperty;
import build.thresher.scheduler.reapi.DefaultProperties;
import build.thresher.scheduler.spack.InstallTree;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableListMultimap;
import io.grpc.InsecureServerCredentials;
import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the configuration says to each part of a server, in that part's own terms. */
final class PartOptions {
  private static final Pattern INSTANCE_PROPERTY = Pattern.compile("([^:]+):([^=]+)=(.+)");

  private PartOptions() {}

  static ServerCredentials credentials(FarmConfig config) throws IOException {
    String certificate = config.get(Key.TLS_CERTIFICATE);
    if (certificate.isEmpty()) {
      return InsecureServerCredentials.create();
    }
    TlsServerCredentials.Builder tls =
        TlsServerCredentials.newBuilder()
            .keyManager(new File(certificate), new File(config.get(Key.TLS_KEY)));
    String clients = config.get(Key.TLS_CLIENT_CA);
    if (!clients.isEmpty()) {
      // Others send a token; one that shows a certificate of somebody else is not connected.
      tls.trustManager(new File(clients)).clientAuth(TlsServerCredentials.ClientAuth.OPTIONAL);
    }
    return tls.build();
  }

  static MirrorHttpOptions http(FarmConfig config) throws IOException {
    InetSocketAddress listen = config.get(Key.HTTP_LISTEN);
    MirrorHttpOptions plain =
        MirrorHttpOptions.listeningOn(listen.getAddress().getHostAddress(), listen.getPort());
    String certificate = config.get(Key.TLS_CERTIFICATE);
    return certificate.isEmpty()
        ? plain
        : plain.withTls(PemFiles.context(Path.of(certificate), Path.of(config.get(Key.TLS_KEY))));
  }

  static StoreOptions store(FarmConfig config) {
    long max = config.get(Key.STORE_MAX);
    return StoreOptions.DEFAULTS
        .withReserveBytes(config.get(Key.STORE_RESERVE))
        .withMaxBytes(max == 0 ? Long.MAX_VALUE : max)
        .withLifetime(config.get(Key.STORE_LIFETIME))
        .withScrubBytesPerSecond(config.get(Key.STORE_SCRUB))
        .withDirect(config.get(Key.STORE_DIRECT));
  }

  static InstallTree installTree(FarmConfig config) {
    return new InstallTree(config.get(Key.INSTALL_ROOT), config.get(Key.PADDED_LENGTH));
  }

  static SchedulerOptions scheduler(FarmConfig config) throws ConfigException {
    CoreOptions d = CoreOptions.DEFAULTS;
    CoreOptions core =
        new CoreOptions(
            config.get(Key.LEASE_TERM),
            config.get(Key.LEASE_TERM).multipliedBy(3),
            config.get(Key.EXECUTOR_GRACE),
            d.maxAttempts(),
            config.get(Key.FAILURE_TTL),
            d.maxTasksPerClient(),
            d.maxTasks(),
            Instances.plain(config));
    return new SchedulerOptions(
        ImmutableList.copyOf(config.get(Key.INSTANCES)),
        installTree(config),
        core,
        config.get(Key.BUILD_TIMEOUT),
        config.get(Key.RETENTION),
        config.get(Key.STORE_RESERVE),
        actionProperties(config),
        Version.text());
  }

  private static DefaultProperties actionProperties(FarmConfig config) throws ConfigException {
    ImmutableListMultimap.Builder<String, PlatformProperty> all = ImmutableListMultimap.builder();
    for (String text : config.get(Key.ACTION_PROPERTIES)) {
      Matcher parts = INSTANCE_PROPERTY.matcher(text);
      if (!parts.matches() || !config.get(Key.INSTANCES).contains(parts.group(1))) {
        throw new ConfigException(
            Key.ACTION_PROPERTIES.name()
                + ": `"
                + text
                + "` is not INSTANCE:NAME=VALUE with an instance of this farm");
      }
      all.put(parts.group(1), new PlatformProperty(parts.group(2), parts.group(3)));
    }
    return new DefaultProperties(all.build());
  }

  /** What everybody leaves free on the disk of the data. */
  static DiskReserve reserve(FarmConfig config) {
    return new DiskReserve(config.get(Key.DATA), config.get(Key.STORE_RESERVE));
  }

  static SourceOptions sources(FarmConfig config) {
    SourceOptions d = SourceOptions.defaults();
    return new SourceOptions(
        config.get(Key.SOURCE_MIRRORS).stream().map(URI::create).collect(toImmutableList()),
        config.get(Key.SOURCES_PRIVATE),
        config.get(Key.SOURCES_PULL),
        config.get(Key.SOURCES_GIT),
        config.get(Key.SOURCES_MAX),
        d.readTimeout(),
        d.fetchTimeout(),
        config.get(Key.STORE_RESERVE));
  }
}
