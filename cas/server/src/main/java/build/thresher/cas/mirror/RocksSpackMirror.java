package build.thresher.cas.mirror;

import build.thresher.cas.api.BlobNotFoundException;
import build.thresher.cas.api.Digest;
import build.thresher.cas.api.NamingBlobStore;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.api.spack.SpackMirror;
import build.thresher.cas.mirror.Publishing.Checked;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Sets;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The mirrors of all instances, on a RocksDB of their own.
 *
 * <p>One archive per instance and hash is published, whole or not at all, see {@link Publishing};
 * whoever comes second gets the first one's, and takes its place only where the store has lost the
 * first one's blobs.
 *
 * <p>Threading: any thread; calls block.
 */
public final class RocksSpackMirror implements SpackMirror, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RocksSpackMirror.class);

  private final MirrorDb db;
  private final NamingBlobStore blobs;
  private final Signers signers;
  private final MirrorOptions options;
  private final InstantSource clock;
  private final ConcurrentHashMap<String, InstanceMirror> instances = new ConcurrentHashMap<>();
  private final BuiltSpecChecker checker;
  private final Publishing publishing;
  private final UsedSpecs used;
  private final SupersededIndices superseded;
  private final Served.Document layout;

  private RocksSpackMirror(
      MirrorDb db,
      NamingBlobStore blobs,
      Signers signers,
      MirrorOptions options,
      InstantSource clock,
      UsedSpecs used) {
    this.used = used;
    this.db = db;
    this.blobs = blobs;
    this.signers = signers;
    this.options = options;
    this.clock = clock;
    this.checker = new BuiltSpecChecker(blobs, options);
    this.publishing = new Publishing(db, blobs, used, checker, clock);
    this.superseded = new SupersededIndices(db, blobs, options, clock);
    this.layout = document("{\"signing\": \"gpg\"}", MediaTypes.JSON, true);
  }

  /**
   * Opens the mirror's database, or makes it, and loads the names of what is published.
   *
   * @param dir a directory of the mirror's own
   * @param blobs where archives and specs are; not closed with the mirror
   */
  public static RocksSpackMirror open(
      Path dir, NamingBlobStore blobs, Signers signers, MirrorOptions options, InstantSource clock)
      throws IOException {
    MirrorDb db = MirrorDb.open(dir);
    try {
      UsedSpecs used = UsedSpecs.load(db, clock);
      RocksSpackMirror mirror = new RocksSpackMirror(db, blobs, signers, options, clock, used);
      for (String instance :
          Sets.union(options.installRoots().keySet(), options.pushed().keySet())) {
        InstanceName.require(instance);
        mirror.instance(instance);
      }
      db.eachPublished((instance, record) -> mirror.instance(instance).add(record));
      db.eachRow(
          MirrorTable.PRUNED,
          (instance, name, row) -> {
            PublishedRecord record = Pruned.published(row);
            mirror.instance(instance).addPruned(Pruned.of(row, record), record);
          });
      db.nodes().completeFacts();
      db.nodes().eachName((instance, hash) -> mirror.instance(instance).addNode(hash));
      db.eachIndex(mirror.superseded::restore);
      for (String instance : mirror.instanceNames()) {
        used.begin(instance);
      }
      return mirror;
    } catch (IOException | RuntimeException e) {
      db.close();
      throw e;
    }
  }

  /** False after a write of the database failed: what is published is served, and no more comes. */
  public boolean takesWrites() {
    return db.takesWrites();
  }

  @Override
  public Optional<PublishedSpec> find(String instance, DagHash hash) {
    Optional<PublishedSpec> found = look(instance, hash);
    found.ifPresent(spec -> used.touch(instance, hash));
    return found;
  }

  /** To look is no use. */
  private Optional<PublishedSpec> look(String instance, DagHash hash) {
    InstanceMirror mirror = instances.get(instance);
    return mirror == null ? Optional.empty() : Optional.ofNullable(mirror.find(hash));
  }

  @Override
  public Optional<ImmutableMap<String, String>> provenance(String instance, DagHash hash)
      throws IOException {
    return Optional.ofNullable(db.find(instance, hash)).map(PublishedRecord::provenance);
  }

  @Override
  public PublishedSpec publish(String instance, BuiltSpec built)
      throws ArchiveRefusedException, IOException {
    checker.requireRoot(instance, built);
    return publishing.publish(instance, require(instance), built);
  }

  /**
   * As {@link Publishing#check}, for an archive of any root. The caller has made sure that the
   * instance takes it.
   */
  Checked check(String instance, OfferedSpec offered) throws ArchiveRefusedException, IOException {
    return publishing.check(instance, require(instance), offered);
  }

  /** As {@link Publishing#publish(String, InstanceMirror, List)}. */
  List<PublishedSpec> publish(String instance, List<Checked> checked) throws IOException {
    return publishing.publish(instance, require(instance), checked);
  }

  /** As {@link Publishing#whole}. */
  Optional<PublishedSpec> whole(String instance, DagHash hash) throws IOException {
    InstanceMirror mirror = instances.get(instance);
    return mirror == null ? Optional.empty() : publishing.whole(instance, mirror, hash);
  }

  /** As {@link Publishing#adopt}. */
  PublishedSpec adopt(String instance, PublishedRecord record, String from, Set<DagHash> closure)
      throws IOException {
    return publishing.adopt(instance, require(instance), record, from, closure);
  }

  /** As {@link Publishing#unpin}. */
  void unpin(String instance, PublishedSpec spec) throws IOException {
    publishing.unpin(instance, spec);
  }

  /** Throws when the store does not hold what it names. */
  void requireBlobs(String instance, PublishedSpec spec) throws IOException {
    for (Digest missing : blobs.findMissing(Scope.farm(instance), blobsOf(spec))) {
      throw new BlobNotFoundException(missing);
    }
  }

  static List<Digest> blobsOf(PublishedSpec spec) {
    return List.of(spec.archive(), spec.spec());
  }

  /** What a path of an instance's mirror names; empty for what is not there. */
  public Optional<Served> get(String instance, String path) throws IOException {
    InstanceMirror mirror = instances.get(instance);
    Optional<MirrorPath> parsed = MirrorPath.parse(path);
    if (mirror == null || parsed.isEmpty()) {
      return Optional.empty();
    }
    return Optional.ofNullable(
        switch (parsed.get()) {
          case MirrorPath.Layout l -> layout;
          case MirrorPath.KeyIndexManifest k -> mirror.key().indexManifest();
          case MirrorPath.KeyManifest key -> mirror.key().manifest(key.fingerprint());
          case MirrorPath.IndexManifest i -> mirror.index().manifest();
          case MirrorPath.ViewManifest v -> {
            MirrorIndex view = mirror.view(v.view());
            yield view == null ? null : view.manifest();
          }
          case MirrorPath.BlobPath blob -> mirror.blob(blob.name());
          case MirrorPath.SpecManifest spec ->
              specManifest(instance, mirror, spec.hash(), spec.path());
        });
  }

  /** Number of specs that the mirror of this instance serves. */
  public int size(String instance) {
    InstanceMirror mirror = instances.get(instance);
    return mirror == null ? 0 : mirror.size();
  }

  /** Paths of the manifests of all specs that the mirror of this instance serves. */
  public NavigableSet<String> specManifests(String instance) {
    InstanceMirror mirror = instances.get(instance);
    NavigableSet<String> paths = new TreeSet<>();
    if (mirror != null) {
      mirror.each(s -> paths.add(MirrorPath.ofSpec(s.name(), s.version(), s.hash())));
    }
    return paths;
  }

  /** Fingerprint of the key that signs for a configured instance, for people who compare. */
  public String fingerprint(String instance) {
    return require(instance).key().signer().fingerprint();
  }

  /** Notes on disk what was used since the last time. */
  public void writeUse() throws IOException {
    used.write();
  }

  @Override
  public void close() {
    try {
      used.write();
    } catch (IOException e) {
      LOG.warn("what was used lately could not be noted", e);
    }
    db.close();
  }

  /**
   * @throws IllegalArgumentException when there is none of this name
   */
  InstanceMirror require(String instance) {
    InstanceMirror mirror = instances.get(instance);
    if (mirror == null) {
      throw new IllegalArgumentException("there is no instance `" + instance + "`");
    }
    return mirror;
  }

  Set<String> instanceNames() {
    return Set.copyOf(instances.keySet());
  }

  void eachInstance(BiConsumer<String, InstanceMirror> visitor) {
    instances.forEach(visitor);
  }

  MirrorDb db() {
    return db;
  }

  Signers signers() {
    return signers;
  }

  UsedSpecs used() {
    return used;
  }

  InstantSource clock() {
    return clock;
  }

  MirrorOptions options() {
    return options;
  }

  /** {@code name@version/hash7}, for people. */
  static String display(PublishedSpec spec) {
    return spec.name() + "@" + spec.version() + "/" + spec.hash().shortText();
  }

  private @Nullable Served specManifest(
      String instance, InstanceMirror mirror, DagHash hash, String path) throws IOException {
    PublishedSpec spec = mirror.find(hash);
    if (spec == null) {
      return prunedManifest(instance, mirror, hash, path);
    }
    if (!MirrorPath.ofSpec(spec.name(), spec.version(), hash).equals(path)) {
      return null;
    }
    used.touch(instance, hash);
    PublishedRecord record = db.find(instance, hash);
    return manifest(record == null ? prunedRecord(instance, hash) : record);
  }

  /** Whoever has an index that names it can still read it. */
  private @Nullable Served prunedManifest(
      String instance, InstanceMirror mirror, DagHash hash, String path) throws IOException {
    Pruned pruned = mirror.pruned(hash);
    if (pruned == null
        || clock.instant().isAfter(pruned.at().plus(options.indexRetention()))
        || !MirrorPath.ofSpec(pruned.spec().name(), pruned.spec().version(), hash).equals(path)) {
      return null;
    }
    PublishedRecord record = prunedRecord(instance, hash);
    return manifest(record == null ? db.find(instance, hash) : record);
  }

  /** A prune or restore moves a row from one table to the other a moment before memory says so. */
  private @Nullable PublishedRecord prunedRecord(String instance, DagHash hash) throws IOException {
    byte[] row = db.find(MirrorTable.PRUNED, instance, MirrorDb.name(hash));
    return row == null ? null : Pruned.published(row);
  }

  private static @Nullable Served manifest(@Nullable PublishedRecord record) {
    return record == null ? null : document(record.manifest(), MediaTypes.SIGNED_TEXT, false);
  }

  private InstanceMirror instance(String name) throws IOException {
    InstanceMirror known = instances.get(name);
    if (known != null) {
      return known;
    }
    InstanceMirror made =
        new InstanceMirror(
            Rotation.signers(name, db, signers), self -> index(name, () -> everything(self)));
    InstanceMirror first = instances.putIfAbsent(name, made);
    return first == null ? made : first;
  }

  /** An index of this instance, of which the source says what stands in it. */
  MirrorIndex index(String instance, IndexContent.Source source) {
    IndexWriter writer = new IndexWriter(instance, IndexVersion.SERVED, db, blobs, superseded);
    return new MirrorIndex(instance, blobs, options, clock, superseded, writer, source);
  }

  /** Lets go of the indices that nobody can expect to read any more. */
  void expireIndices() throws IOException {
    superseded.expire();
  }

  private static IndexContent everything(InstanceMirror there) {
    return new IndexContent() {
      @Override
      public SortedSet<DagHash> listed() {
        return there.nodes();
      }

      @Override
      public boolean offers(DagHash node) {
        return there.isPublished(node);
      }
    };
  }

  private static Served.Document document(String text, String mediaType, boolean immutable) {
    return Served.Document.of(text.getBytes(StandardCharsets.UTF_8), mediaType, immutable);
  }
}
