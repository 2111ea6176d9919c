package build.thresher.cas.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.cas.api.Digest;
import build.thresher.cas.api.Scope;
import build.thresher.cas.api.spack.DagHash;
import build.thresher.cas.mirror.IndexWriter.Written;
import build.thresher.cas.mirror.PushedSpecs.ManifestText;
import build.thresher.cas.mirror.SyntheticMirror.Pushed;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.SortedSet;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IndexWriterTest {
  private static final String INSTANCE = "release";
  private static final Scope SCOPE = Scope.farm(INSTANCE);

  @TempDir Path dir;
  private MirrorOnDisk at;
  private SupersededIndices none;
  private IndexWriter writer;

  @BeforeEach
  void open() throws Exception {
    at = MirrorOnDisk.open(dir, INSTANCE);
    none =
        new SupersededIndices(
            at.mirror().db(), at.blobs(), at.mirror().options(), InstantSource.system());
    writer = writer(IndexVersion.SERVED);
  }

  private IndexWriter writer(ImmutableList<IndexVersion> versions) {
    return new IndexWriter(INSTANCE, versions, at.mirror().db(), at.blobs(), none);
  }

  @AfterEach
  void close() throws Exception {
    at.close();
  }

  private IndexContent content(SortedSet<DagHash> listed) {
    InstanceMirror there = at.mirror().require(INSTANCE);
    return new IndexContent() {
      @Override
      public SortedSet<DagHash> listed() {
        return listed;
      }

      @Override
      public boolean offers(DagHash node) {
        return there.isPublished(node);
      }
    };
  }

  private void push(Pushed spec) throws Exception {
    spec.putBlobs(at.blobs(), SCOPE);
    at.pushed().take(INSTANCE, new ManifestText(spec.manifest()), "test");
  }

  /** Nodes are named in any order, so that one is listed before what it depends on. */
  @Test
  void anIndexThatFollowsOnAnotherIsTheOneThatIsWrittenFromEveryNode() throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    List<Pushed> specs = new ArrayList<>(SyntheticMirror.dag("a"));
    specs.addAll(SyntheticMirror.dag("b"));
    Collections.shuffle(specs, random);
    TreeSet<DagHash> listed = new TreeSet<>();
    IndexContent content = content(listed);
    Written last = writer.write(null, content);
    for (Pushed each : specs) {
      push(each);
      List<DagHash> more = new ArrayList<>(at.mirror().require(INSTANCE).nodes());
      Collections.shuffle(more, random);
      listed.addAll(more.subList(0, random.nextInt(more.size())));
      Written next = writer.write(last, content);
      assertEquals(writer.write(null, content).texts(), next.texts(), "seed " + seed);
      assertSame(next, writer.write(next, content), "nothing is new");
      last = next;
    }
    listed.removeIf(hash -> random.nextInt(5) == 0);
    assertEquals(
        writer.write(null, content).texts(), writer.write(last, content).texts(), "seed " + seed);
  }

  @Test
  void afterAnIndexThatWasLostComesOneFromEveryNode() throws Exception {
    TreeSet<DagHash> listed = new TreeSet<>();
    List<Pushed> specs = SyntheticMirror.dag("a");
    push(specs.getFirst());
    listed.addAll(at.mirror().require(INSTANCE).nodes());
    Written before = writer.write(null, content(listed));
    push(specs.getLast());
    listed.addAll(at.mirror().require(INSTANCE).nodes());
    assertTrue(at.blobs().delete(SCOPE, text(before)));
    Written after = writer.write(before, content(listed));
    assertNotEquals(text(before), text(after));
    assertEquals(text(writer.write(null, content(listed))), text(after));
    assertTrue(at.blobs().contains(SCOPE, text(after)));
  }

  /** As it will be when Spack's database changes: every Spack finds the text that it can read. */
  @Test
  void twoVersionsStandInOneManifestAndFollowOnThemselves() throws Exception {
    IndexVersion next = new IndexVersion("9", "application/vnd.spack.db.v9+json");
    IndexWriter both = writer(ImmutableList.of(IndexVersion.DB_V8, next));
    InstantSource clock = InstantSource.system();
    MirrorOptions options = at.mirror().options().withIndexInterval(Duration.ZERO);
    TreeSet<DagHash> listed = new TreeSet<>();
    MirrorIndex index =
        new MirrorIndex(INSTANCE, at.blobs(), options, clock, none, both, () -> content(listed));
    List<Pushed> specs = SyntheticMirror.dag("a");
    for (Pushed each : specs.subList(0, 2)) {
      push(each);
      listed.addAll(at.mirror().require(INSTANCE).nodes());
      index.changed();
      JsonNode parts = new ObjectMapper().readTree(index.manifest().bytes()).path("data");
      assertEquals(2, parts.size());
      List<String> texts = new ArrayList<>();
      for (JsonNode part : parts) {
        String mediaType = part.path("mediaType").asText();
        long bytes = part.path("contentLength").asLong();
        Digest digest = Digest.parse(part.path("checksum").asText(), bytes);
        Served.StoredBlob found = index.find(MirrorIndex.nameOf(digest));
        assertEquals(new Served.StoredBlob(digest, mediaType), found);
        String version = mediaType.replaceAll("\\D", "");
        String text = new String(at.blobs().readAll(SCOPE, digest), StandardCharsets.UTF_8);
        assertTrue(text.contains("\"version\":\"" + version + "\""), text);
        assertTrue(text.contains(listed.first().text()), text);
        texts.add(text.replaceFirst("\"version\":\"\\d\"", ""));
      }
      assertEquals(texts.getFirst(), texts.getLast());
    }
  }

  private static Digest text(Written index) {
    return Objects.requireNonNull(index.texts().get(IndexVersion.DB_V8));
  }

  /** What a mirror that publishes all day, and is asked every second, may take of the disk. */
  @Test
  void supersededIndicesTakeNoMoreThanTheirRoomAndNoneGoesYoung() throws Exception {
    MirrorOptions options = at.mirror().options().withSuperseded(Duration.ofMillis(1500), 3 * 1000);
    InstantSource clock = InstantSource.system();
    SupersededIndices superseded =
        new SupersededIndices(at.mirror().db(), at.blobs(), options, clock);
    List<Digest> all = new ArrayList<>();
    Instant begun = clock.instant();
    for (int i = 0; i < 8; i++) {
      byte[] index = new byte[1000];
      new Random(i).nextBytes(index);
      superseded.makeRoom(index.length);
      Digest digest = at.blobs().put(SCOPE, index);
      if (i > 2) {
        assertFalse(at.blobs().contains(SCOPE, all.get(i - 3)), "the oldest goes");
        assertFalse(isHeld(superseded, all.get(i - 3)));
      }
      superseded.note(INSTANCE, digest);
      superseded.add(INSTANCE, digest);
      all.add(digest);
      assertTrue(isHeld(superseded, digest));
      assertTrue(all.stream().filter(d -> isHeld(superseded, d)).count() <= 3);
    }
    assertFalse(clock.instant().isBefore(begun.plus(superseded.youth())), "they came at once");
  }

  private boolean isHeld(SupersededIndices superseded, Digest index) {
    return superseded.find(INSTANCE, MirrorIndex.nameOf(index)) != null;
  }
}
