"""Benchmarks of mirrors against Spack itself: the same specs, on the same machine, one after the other."""
import json
import os
import shutil
import sys
import time
import urllib.request

from synthetic import specs, write_v2, write_v3
from tools import HERE, Cost, Farm, compare, find_spack, run, show

FIXTURES = os.path.join(HERE, "..", "..", "..", "..", "cas", "server", "src", "test", "resources", "spack")


class Spack:
    """With a configuration of its own."""

    def __init__(self, directory, root=None):
        self.program = os.path.join(root or find_spack(), "bin", "spack")
        self.environment = {**os.environ, "SPACK_DISABLE_LOCAL_CONFIG": "1"}
        for name in ("CONFIG", "CACHE"):
            self.environment["SPACK_USER_%s_PATH" % name] = os.path.join(directory, name.lower())
        self.environment["SPACK_GNUPGHOME"] = os.path.join(directory, "gpg")
        recipes = os.path.join(os.environ.get("SPACK_PACKAGES", os.path.expanduser("~/spack-packages")), "repos", "spack_repo", "builtin")
        os.makedirs(os.path.join(directory, "config"), exist_ok=True)
        with open(os.path.join(directory, "config", "repos.yaml"), "w") as out:
            # Else every command would try to fetch the recipes of the day.
            out.write("repos::\n  builtin: %s\n" % recipes if os.path.isdir(recipes) else "repos:: {}\n")

    def run(self, *arguments):
        return run([self.program, *arguments], self.environment)


def get(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        return answer.read()


def read_index(farm, instance):
    """Seconds that it takes to read the index as Spack reads it, and what stands in it."""
    begun = time.monotonic()
    url = "http://%s/mirror/%s/" % (farm.http, instance)
    checksum = json.loads(get(url + "v3/manifests/index/index.manifest.json"))["data"][0]["checksum"]
    text = get(url + "blobs/sha256/%s/%s" % (checksum[:2], checksum))
    seconds = time.monotonic() - begun
    return seconds, json.loads(text)["database"]["installs"]


def require_offered(installs, some):
    for spec in some:
        if not installs.get(spec.hash, {}).get("in_buildcache"):
            sys.exit("the index does not offer %s/%s" % (spec.name, spec.hash))


def take(farm, instance, directory):
    """What an import costs, client and server together."""
    before = farm.cpu()
    client = farm.client("mirror", "import", "--instance", instance, directory)
    return Cost(client.wall, client.cpu + farm.cpu() - before)


def pushed(names):
    text = "[%s]" % ", ".join(names)
    return {"mirror.pushed": text, "mirror.unsigned": text}


def bench_index(args, scratch):
    count = args.specs or 2000
    spack = Spack(os.path.join(scratch, "index-spack"))
    theirs, signed = os.path.join(scratch, "index-mirror"), os.path.join(scratch, "index-signed")
    there, more = specs(count, "s"), specs(args.runs, "more")
    write_v3(theirs, there)
    farm = Farm(args.program, os.path.join(scratch, "index"), executor=False, settings=pushed(["site"]))
    taken = take(farm, "site", theirs)
    print("%d specs taken: %.1f s, %.1f ms of CPU for each" % (count, taken.wall, taken.cpu / count * 1000))
    read_index(farm, "site")
    spack.run("buildcache", "update-index", "file://" + theirs)
    updates, publishes, reads = [], [], []
    for n, spec in enumerate(more):
        one = os.path.join(scratch, "index-one-%d" % n)
        write_v3(one, [spec])
        write_v3(theirs, [spec])
        updates.append(spack.run("buildcache", "update-index", "file://" + theirs))
        publishes.append(take(farm, "site", one))
        seconds, installs = read_index(farm, "site")
        require_offered(installs, [spec])
        reads.append(seconds)
    farm.client("mirror", "export", "--instance", "site", signed)
    farm.stop()
    firsts = []
    for _ in range(args.runs):
        farm = Farm(args.program, os.path.join(scratch, "index"), executor=False, settings=pushed(["site"]))
        seconds, installs = read_index(farm, "site")
        firsts.append(seconds)
        farm.stop()
    require_offered(installs, there + more)
    spack.run("gpg", "trust", "-y", *key_of(signed))
    signed_updates = [spack.run("buildcache", "update-index", "file://" + signed) for _ in range(args.runs)]
    show("spack buildcache update-index, unsigned, wall", [c.wall for c in updates])
    show("  CPU", [c.cpu for c in updates])
    show("spack buildcache update-index, signed, wall", [c.wall for c in signed_updates])
    show("  CPU", [c.cpu for c in signed_updates])
    show("farm: new index made and read after one more spec", reads)
    show("  `thresher mirror import` of that spec, wall", [c.wall for c in publishes])
    show("farm: index made from every node and read, after a start", firsts)
    compare("one more spec, update-index / index of the farm", [c.wall for c in updates], reads)
    compare("  with the command that publishes it", [c.wall for c in updates], [c.wall + s for c, s in zip(publishes, reads)])
    compare("full rebuild, unsigned, update-index / farm", [c.wall for c in updates], firsts)
    compare("full rebuild, signed, update-index / farm", [c.wall for c in signed_updates], firsts)


def key_of(mirror):
    """The public keys of a mirror, as files."""
    files = []
    for root, _, names in os.walk(os.path.join(mirror, "v3", "manifests", "key")):
        for name in names:
            if name.endswith(".key.manifest.json"):
                with open(os.path.join(root, name)) as manifest:
                    checksum = json.load(manifest)["data"][0]["checksum"]
                files.append(os.path.join(mirror, "blobs", "sha256", checksum[:2], checksum))
    return files


def bench_migrate(args, scratch):
    count = args.specs or 500
    original = os.path.join(scratch, "migrate-v2")
    write_v2(original, specs(count, "m", legacy=True))
    migrate(args, scratch, "%d specs" % count, original, count)
    fixture = os.path.join(FIXTURES, "v2-signed")
    if os.path.isdir(fixture):
        migrate(args, scratch, "5 specs that Spack 0.23 wrote", fixture, 5)


def migrate(args, scratch, what, original, count):
    spack = Spack(os.path.join(scratch, "migrate-spack"))
    names = ["copy-%d" % n for n in range(args.runs + 1)]
    key = os.path.join(FIXTURES, "v3-signed.pub.asc")
    trusted = {"mirror.trusted_keys": "{%s}" % ", ".join("%s: %s" % (name, key) for name in names)} if os.path.exists(key) else {}
    farm = Farm(args.program, os.path.join(scratch, "migrate-%d" % count), executor=False, settings={**pushed(names), **trusted})
    take(farm, names.pop(), original)
    ours, theirs = [], []
    for name in names:
        copy = os.path.join(scratch, "%s-of-%d" % (name, count))
        shutil.copytree(original, copy)
        spack.run("mirror", "add", os.path.basename(copy), "file://" + copy)
        theirs.append(spack.run("buildcache", "migrate", "--unsigned", os.path.basename(copy)))
        ours.append(take(farm, name, original))
        _, installs = read_index(farm, name)
        if sum(entry["in_buildcache"] for entry in installs.values()) != count:
            sys.exit("the farm did not take all %d" % count)
    farm.stop()
    show("%s: spack buildcache migrate --unsigned, wall" % what, [c.wall for c in theirs])
    show("  CPU", [c.cpu for c in theirs])
    show("%s: thresher mirror import, wall" % what, [c.wall for c in ours])
    show("  CPU, client and server", [c.cpu for c in ours])
    compare("wall, migrate / import", [c.wall for c in theirs], [c.wall for c in ours])
    compare("CPU, migrate / import", [c.cpu for c in theirs], [c.cpu for c in ours])
