package build.thresher.deploy.config;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One key of {@code farm.yaml}.
 *
 * @param name dotted path in the file
 * @param type how its text is read
 * @param defaultText as it would be written in the file; "" for none
 * @param help one or two sentences, with the unit
 */
public record Key<T>(String name, ValueType<T> type, String defaultText, String help) {

  public static final Key<Path> DATA =
      key(
          "data",
          ValueType.PATH,
          "~/.local/share/thresher",
          "Directory of the server: blobs, tasks, mirror, signing key, logs. One server at a time.");
  public static final Key<InetSocketAddress> GRPC_LISTEN =
      key(
          "grpc.listen",
          ValueType.ADDRESS,
          "127.0.0.1:8980",
          "Address for clients and executors. Anything but loopback needs tls. Port 0: any free one.");
  public static final Key<Integer> GRPC_CONNECTIONS =
      key(
          "grpc.max_connections",
          ValueType.INTEGER,
          "8192",
          "Connections of clients and executors at a time; further ones are closed at once. Each costs a file descriptor.");
  public static final Key<Integer> GRPC_CONNECTIONS_OF_ADDRESS =
      key(
          "grpc.max_connections_of_address",
          ValueType.INTEGER,
          "1024",
          "The same from one address (of IPv6: one /64). Raise it behind a proxy or NAT, where many have one address.");
  public static final Key<InetSocketAddress> HTTP_LISTEN =
      key(
          "http.listen",
          ValueType.ADDRESS,
          "127.0.0.1:8981",
          "Address of the Spack mirror and of /healthz. Anything but loopback needs tls.");
  public static final Key<String> HTTP_PUBLIC_URL =
      key(
          "http.public_url",
          ValueType.STRING,
          "",
          "How Spack reaches the mirror, where a proxy stands before it. Default: made from http.listen.");
  public static final Key<String> TLS_CERTIFICATE =
      key("tls.certificate", ValueType.STRING, "", "PEM file with the server's certificate chain.");
  public static final Key<String> TLS_KEY =
      key("tls.key", ValueType.STRING, "", "PEM file with its private key (PKCS#8).");
  public static final Key<String> TLS_CLIENT_CA =
      key(
          "tls.client_ca",
          ValueType.STRING,
          "",
          "PEM file with an authority: whoever shows a certificate of it is a client of the farm, without a token."
              + " Use an authority that certifies nobody else.");
  public static final Key<Path> TOKEN_FILE =
      key(
          "access.token_file",
          ValueType.PATH,
          "~/.config/thresher/token",
          "The token that clients and executors send. Made at first start, readable by its owner only.");
  public static final Key<String> ADMIN_TOKEN_FILE =
      key(
          "access.admin_token_file",
          ValueType.STRING,
          "",
          "If set, the token that `thresher mirror prune`, `promote`, `rotate` and `thresher sources"
              + " remove` need, and which may do everything else too; made at first start. Otherwise"
              + " the farm's token may.");
  public static final Key<Boolean> OPEN =
      key(
          "access.open",
          ValueType.BOOLEAN,
          "false",
          "true: no token is asked for on loopback. Every user of this machine can then use the farm.");
  public static final Key<Boolean> MIRROR_READ_OPEN =
      key(
          "access.mirror_open",
          ValueType.BOOLEAN,
          "true",
          "true: anyone who reaches http.listen may read the mirror; Spack sends no credentials there.");
  public static final Key<Boolean> CLIENT_RESULTS =
      key(
          "access.client_results",
          ValueType.BOOLEAN,
          "false",
          "true: clients may write results of actions (UpdateActionResult), which others then believe. Needed to use"
              + " the farm as a mere cache of builds that run elsewhere.");
  public static final Key<List<String>> INSTANCES =
      key(
          "instances",
          ValueType.LIST,
          "[default]",
          "Names of the trust domains; the first is the default.");
  public static final Key<List<String>> MIRROR_PUSHED =
      key(
          "mirror.pushed",
          ValueType.LIST,
          "[]",
          "Instances that take specs that others built (`thresher mirror import`). The farm builds nothing there.");
  public static final Key<Map<String, String>> MIRROR_TRUSTED_KEYS =
      key(
          "mirror.trusted_keys",
          ValueType.MAP,
          "{}",
          "For such an instance, a file or a directory with the OpenPGP public keys of which one must have signed"
              + " a spec: {release: /etc/thresher/release-keys}.");
  public static final Key<List<String>> MIRROR_UNSIGNED =
      key(
          "mirror.unsigned",
          ValueType.LIST,
          "[]",
          "Those of mirror.pushed that take unsigned specs too.");
  public static final Key<String> MIRROR_KEY_TYPE =
      key(
          "mirror.key_type",
          ValueType.oneOf("rsa", "ed25519"),
          "rsa",
          "Of which kind signing keys are that are made from now on, at an instance's first start and by"
              + " `thresher mirror rotate`. Signing with ed25519 costs far less; gpg before 2.1 cannot read it, nor can"
              + " gpg in FIPS mode with libgcrypt before 1.11.");
  public static final Key<Map<String, String>> MIRROR_READ_TOKENS =
      key(
          "mirror.read_tokens",
          ValueType.MAP,
          "{}",
          "Makes an instance private: only whoever has a token of this file may read it, one on each line, in the URL"
              + " (/mirror/INSTANCE/t/TOKEN), as the password or as the secret access key: {release: /etc/thresher/readers}.");
  public static final Key<List<String>> MIRROR_READ_NETWORKS =
      key(
          "mirror.read_networks",
          ValueType.LIST,
          "[]",
          "Makes an instance private: whoever connects from such a network may read it, besides those with a token:"
              + " [release=10.0.0.0/8]. Behind a proxy everybody has the proxy's address.");
  public static final Key<List<String>> ACTION_PROPERTIES =
      key(
          "actions.properties",
          ValueType.LIST,
          "[]",
          "Platform properties that actions of an instance have where they do not name them, as INSTANCE:NAME=VALUE, for"
              + " clients that cannot send them: [buildstream:chrootIntoInputRoot=true].");
  public static final Key<List<String>> ACTIONS_PLAIN =
      key(
          "actions.plain",
          ValueType.LIST,
          "[]",
          "Instances whose actions may run on executors that have no sandbox (executor.sandbox: plain). Whoever asks for"
              + " actions there can do what the executor's user can.");
  public static final Key<String> INSTALL_ROOT =
      key(
          "install_tree.root",
          ValueType.STRING,
          "/thresher/store",
          "Where every build installs, inside the sandbox, before padding. Changing it starts a new set of archives.");
  public static final Key<Integer> PADDED_LENGTH =
      key(
          "install_tree.padded_length",
          ValueType.INTEGER,
          "256",
          "Length in characters that the root is padded to, so that any shorter root can take the archives.");
  public static final Key<Duration> LEASE_TERM =
      key(
          "scheduler.lease_term",
          ValueType.DURATION,
          "30s",
          "How long an executor may be silent before its tasks go to another.");
  public static final Key<Duration> FAILURE_TTL =
      key(
          "scheduler.failure_ttl",
          ValueType.DURATION,
          "24h",
          "How long a recipe's failure is remembered and answered without building again.");
  public static final Key<Duration> BUILD_TIMEOUT =
      key(
          "scheduler.build_timeout",
          ValueType.DURATION,
          "12h",
          "Wall time after which one build is killed, where the client names none.");
  public static final Key<Duration> EXECUTOR_GRACE =
      key(
          "scheduler.executor_grace",
          ValueType.DURATION,
          "60s",
          "How long a task waits for a first executor to appear before it is called unschedulable.");
  public static final Key<Duration> RETENTION =
      key(
          "scheduler.retention",
          ValueType.DURATION,
          "14d",
          "How long finished requests, their executions and logs can be asked for.");
  public static final Key<Long> STORE_RESERVE =
      key(
          "store.reserve",
          ValueType.BYTES,
          "1GiB",
          "Free disk space below which writes are refused.");
  public static final Key<Long> STORE_MAX =
      key(
          "store.max_size",
          ValueType.BYTES,
          "0",
          "Size of all blobs together, beyond which the least recently used are evicted. 0: as much as the disk holds.");
  public static final Key<Long> STORE_COMPRESSED =
      key(
          "store.compressed",
          ValueType.BYTES,
          "1GiB",
          "Disk for large blobs that are kept compressed as well, for clients that read them so, besides"
              + " store.max_size. 0: each read compresses anew.");
  public static final Key<Duration> STORE_LIFETIME =
      key(
          "store.lifetime",
          ValueType.DURATION,
          "6h",
          "A blob that was reported as present, or named by a result that was found, is kept for at least this long"
              + " from then on. Bazel counts on 3h (--experimental_remote_cache_ttl).");
  public static final Key<Long> STORE_SCRUB =
      key(
          "store.scrub_rate",
          ValueType.BYTES,
          "4MiB",
          "Bytes of stored blobs that are read each second to find damage, in a tenth of the disk's time at most, each"
              + " blob once a day at most. Damaged ones are quarantined until their next upload. 0: not at all.");
  public static final Key<Boolean> STORE_DIRECT =
      key(
          "store.direct",
          ValueType.BOOLEAN,
          "true",
          "true: blobs of 256 KiB and more are written past the page cache, and read so the first time, where the file"
              + " system can do that. false is better on slow disks with much memory, and on network file systems.");
  public static final Key<List<String>> SOURCE_MIRRORS =
      key(
          "sources.mirrors",
          ValueType.LIST,
          "[]",
          "Spack source mirrors to ask before upstream: directories (file:///…) or http(s) addresses.");
  public static final Key<Boolean> SOURCES_PULL =
      key(
          "sources.pull_through",
          ValueType.BOOLEAN,
          "true",
          "true: what somebody reads by its checksum in a source mirror of the farm, and the farm lacks, is fetched from"
              + " `sources.mirrors`. false: only builds, Remote Asset and `spack farm sources` fetch, which need the token.");
  public static final Key<Boolean> SOURCES_PRIVATE =
      key(
          "sources.allow_private_addresses",
          ValueType.BOOLEAN,
          "false",
          "true: sources may be fetched from private and loopback addresses too.");
  public static final Key<Boolean> SOURCES_GIT =
      key(
          "sources.git",
          ValueType.BOOLEAN,
          "true",
          "false: the server fetches no repositories; commits come with --upload-sources or"
              + " `thresher sources add`.");
  public static final Key<Long> SOURCES_MAX =
      key("sources.max_size", ValueType.BYTES, "8GiB", "A larger source is refused.");
  public static final Key<Boolean> EXECUTOR_LOCAL =
      key(
          "executor.local",
          ValueType.BOOLEAN,
          "true",
          "true: `thresher serve` runs an executor of its own.");
  public static final Key<String> EXECUTOR_NAME =
      key("executor.name", ValueType.STRING, "", "Name of the executor. Default: the host name.");
  public static final Key<Integer> EXECUTOR_SLOTS =
      key(
          "executor.slots",
          ValueType.INTEGER,
          "0",
          "Builds at a time. 0: one for every two processors, at least one.");
  public static final Key<String> EXECUTOR_SANDBOX =
      key(
          "executor.sandbox",
          ValueType.oneOf("bubblewrap", "plain"),
          "bubblewrap",
          "plain: no sandbox, for machines that make no namespaces. The executor then runs actions of the instances in"
              + " actions.plain, as its own user or, where it is root, each as another one, and builds no Spack packages.");
  public static final Key<Path> EXECUTOR_WORK =
      key(
          "executor.work",
          ValueType.PATH,
          "/var/tmp/thresher-executor",
          "Directory of the executor: prefixes, sources, builds. Executors of different names may share it. Where the executor is root,"
              + " builds run as other users, so everybody must be able to enter the directories above it.");
  public static final Key<Long> EXECUTOR_PREFIX_LIMIT =
      key(
          "executor.prefix_cache",
          ValueType.BYTES,
          "50GiB",
          "Size of the prefix cache, beyond which the least recently used prefix is evicted.");
  public static final Key<Long> EXECUTOR_TREE_LIMIT =
      key(
          "executor.tree_cache",
          ValueType.BYTES,
          "10GiB",
          "The same for Spack cores, recipes and configurations that clients sent.");
  public static final Key<Long> EXECUTOR_SOURCE_LIMIT =
      key("executor.source_cache", ValueType.BYTES, "20GiB", "The same for source archives.");
  public static final Key<Long> BUILD_MEMORY =
      key(
          "executor.build_memory",
          ValueType.BYTES,
          "0",
          "Memory that one build may take, where the farm names no other. 0: as much as the machine has.");
  public static final Key<Long> BUILD_DISK =
      key(
          "executor.build_disk",
          ValueType.BYTES,
          "100GiB",
          "Disk space that one build may take. A build that takes more is killed.");
  public static final Key<Integer> BUILD_PROCESSES =
      key(
          "executor.build_processes",
          ValueType.INTEGER,
          "8192",
          "Processes and threads that one build may have at a time.");
  public static final Key<Map<String, String>> EXECUTOR_LABELS =
      key(
          "executor.labels",
          ValueType.MAP,
          "{}",
          "Labels that clients may ask for, for example {pool: gpu}.");
  public static final Key<Map<String, String>> EXECUTOR_PROPERTIES =
      key(
          "executor.properties",
          ValueType.MAP,
          "{}",
          "Platform properties that actions may ask for, besides those that are measured. Several values of a name"
              + " are separated by |, and * stands for any, for example {pool: default|large}.");
  public static final Key<List<String>> EXECUTOR_HOST_PATHS =
      key(
          "executor.host_paths",
          ValueType.LIST,
          "[]",
          "Directories of this machine that builds and actions may read, besides /usr and what belongs to it: where the site has"
              + " its compilers and libraries, for example [/opt/gcc, /opt/cray].");
  public static final Key<Map<String, String>> EXECUTOR_EXTERNALS =
      key(
          "executor.externals",
          ValueType.MAP,
          "{}",
          "Software of this machine that specs may name as external, besides what is found in /usr: package, version and prefix, as"
              + " in packages.yaml, for example {gcc@13.2.0: /opt/gcc/13.2.0}. The prefix lies below /usr or one of executor.host_paths.");
  public static final Key<Long> EXECUTOR_INPUT_CACHE =
      key(
          "executor.input_cache",
          ValueType.BYTES,
          "20GiB",
          "Size of the cache of actions' input files, beyond which the least recently used are evicted.");
  public static final Key<Boolean> EXECUTOR_NETWORK =
      key(
          "executor.network",
          ValueType.BOOLEAN,
          "false",
          "true: actions that ask for network by a platform property (dockerNetwork, network) share this machine's."
              + " False: no action has any.");
  public static final Key<List<String>> EXECUTOR_REGISTRIES =
      key(
          "executor.registries",
          ValueType.LIST,
          "[]",
          "Registries from which this executor takes the container images that actions name (container-image:"
              + " docker://REGISTRY/NAME@sha256:…), as HOST or HOST:PORT, http://HOST:PORT for one without TLS:"
              + " [docker.io, ghcr.io]. Images that everybody may read only.");
  public static final Key<Long> EXECUTOR_IMAGE_CACHE =
      key(
          "executor.image_cache",
          ValueType.BYTES,
          "50GiB",
          "Size of the cache of unpacked container images, beyond which the least recently used are evicted.");

  /** Every key, in the order in which they are documented. */
  public static final List<Key<?>> ALL =
      List.of(
          DATA,
          GRPC_LISTEN,
          GRPC_CONNECTIONS,
          GRPC_CONNECTIONS_OF_ADDRESS,
          HTTP_LISTEN,
          HTTP_PUBLIC_URL,
          TLS_CERTIFICATE,
          TLS_KEY,
          TLS_CLIENT_CA,
          TOKEN_FILE,
          ADMIN_TOKEN_FILE,
          OPEN,
          MIRROR_READ_OPEN,
          CLIENT_RESULTS,
          INSTANCES,
          ACTION_PROPERTIES,
          ACTIONS_PLAIN,
          MIRROR_PUSHED,
          MIRROR_TRUSTED_KEYS,
          MIRROR_UNSIGNED,
          MIRROR_KEY_TYPE,
          MIRROR_READ_TOKENS,
          MIRROR_READ_NETWORKS,
          INSTALL_ROOT,
          PADDED_LENGTH,
          LEASE_TERM,
          FAILURE_TTL,
          BUILD_TIMEOUT,
          EXECUTOR_GRACE,
          RETENTION,
          STORE_RESERVE,
          STORE_MAX,
          STORE_COMPRESSED,
          STORE_LIFETIME,
          STORE_SCRUB,
          STORE_DIRECT,
          SOURCE_MIRRORS,
          SOURCES_PULL,
          SOURCES_PRIVATE,
          SOURCES_GIT,
          SOURCES_MAX,
          EXECUTOR_LOCAL,
          EXECUTOR_NAME,
          EXECUTOR_SLOTS,
          EXECUTOR_SANDBOX,
          EXECUTOR_WORK,
          EXECUTOR_PREFIX_LIMIT,
          EXECUTOR_TREE_LIMIT,
          EXECUTOR_SOURCE_LIMIT,
          BUILD_MEMORY,
          BUILD_DISK,
          BUILD_PROCESSES,
          EXECUTOR_LABELS,
          EXECUTOR_PROPERTIES,
          EXECUTOR_HOST_PATHS,
          EXECUTOR_EXTERNALS,
          EXECUTOR_INPUT_CACHE,
          EXECUTOR_NETWORK,
          EXECUTOR_REGISTRIES,
          EXECUTOR_IMAGE_CACHE);

  /** {@code THRESHER_GRPC_LISTEN} for {@code grpc.listen}. */
  public String environmentName() {
    return "THRESHER_" + name.toUpperCase(Locale.ROOT).replace('.', '_');
  }

  private static <T> Key<T> key(String name, ValueType<T> type, String defaultText, String help) {
    return new Key<>(name, type, defaultText, help);
  }
}
