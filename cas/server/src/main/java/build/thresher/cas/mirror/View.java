package build.thresher.cas.mirror;

import build.thresher.cas.api.spack.DagHash;
import build.thresher.store.v1.ViewRecord;
import com.google.common.collect.ImmutableSet;
import java.io.IOException;
import java.util.List;

/**
 * What an index of a part of a mirror shows: specs that are of all the kinds that are given, and
 * what they need to run. A kind that is empty is not given.
 *
 * @param name stands in URLs
 * @param hashes of an environment
 * @param packages names
 * @param targets microarchitectures
 * @param clients who had them built
 * @param description where it comes from
 */
public record View(
    String name,
    ImmutableSet<DagHash> hashes,
    ImmutableSet<String> packages,
    ImmutableSet<String> targets,
    ImmutableSet<String> clients,
    String description) {

  boolean isOfEverything() {
    return hashes.isEmpty() && packages.isEmpty() && targets.isEmpty() && clients.isEmpty();
  }

  byte[] toBytes() {
    return ViewRecord.newBuilder()
        .addAllHashes(hashes.stream().map(DagHash::text).toList())
        .addAllPackages(packages)
        .addAllTargets(targets)
        .addAllClients(clients)
        .setDescription(description)
        .build()
        .toByteArray();
  }

  static View fromBytes(String name, byte[] bytes) throws IOException {
    ViewRecord record = ViewRecord.parseFrom(bytes);
    List<String> hashes = record.getHashesList();
    return new View(
        name,
        hashes.stream().map(DagHash::new).collect(ImmutableSet.toImmutableSet()),
        ImmutableSet.copyOf(record.getPackagesList()),
        ImmutableSet.copyOf(record.getTargetsList()),
        ImmutableSet.copyOf(record.getClientsList()),
        record.getDescription());
  }
}
