"""Benchmarks of mirrors against Spack itself: the same specs, on the same machine, one after the other."""
import base64
import hashlib
import json
import os
import shutil
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from synthetic import specs, write_recipes, write_store, write_v2, write_v3
from tools import Cost, Farm, compare, find_spack, run, show


class Spack:
    """With a configuration of its own, and nothing of the site's or the user's."""

    def __init__(self, directory, root=None, store=None, recipes=None):
        self.program = os.path.join(root or find_spack(), "bin", "spack")
        self.environment = {name: value for name, value in os.environ.items() if name != "SPACK_DISABLE_LOCAL_CONFIG"}
        for name, part in (("USER_CONFIG_PATH", "config"), ("SYSTEM_CONFIG_PATH", "system"), ("USER_CACHE_PATH", "cache")):
            self.environment["SPACK_" + name] = os.path.join(directory, part)
        self.environment["SPACK_GNUPGHOME"] = os.path.join(directory, "gpg")
        builtin = os.path.join(os.environ.get("SPACK_PACKAGES", os.path.expanduser("~/spack-packages")), "repos", "spack_repo", "builtin")
        repositories = {"synthetic": recipes, "builtin": builtin if os.path.isdir(builtin) else None}
        os.makedirs(os.path.join(directory, "config"), exist_ok=True)
        with open(os.path.join(directory, "config", "repos.yaml"), "w") as out:
            # Else every command would try to fetch the recipes of the day.
            json.dump({"repos:": {name: path for name, path in repositories.items() if path}}, out)
        with open(os.path.join(directory, "config", "config.yaml"), "w") as out:
            out.write("config:\n  install_tree:\n    root: %s\n" % (store or os.path.join(directory, "store")))

    def run(self, *arguments, env=()):
        return run([self.program, *arguments], {**self.environment, **dict(env)})

    def close(self):
        run(["gpgconf", "--homedir", self.environment["SPACK_GNUPGHOME"], "--kill", "all"])


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
    cost = Cost(client.wall, client.cpu + farm.cpu() - before)
    cost.client = client.cpu
    return cost


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
    spack.close()
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
    some = specs(count, "m", legacy=True)
    spack = Spack(os.path.join(scratch, "migrate-spack"))
    spack.run("gpg", "create", "Benchmark", "benchmark@localhost")
    key = os.path.join(scratch, "migrate-key.asc")
    spack.run("gpg", "export", key)
    unsigned, signed = os.path.join(scratch, "migrate-unsigned"), os.path.join(scratch, "migrate-signed")
    write_v2(unsigned, some)
    shutil.copytree(unsigned, signed)
    for root, _, names in os.walk(signed):
        for path in [os.path.join(root, name) for name in names if name.endswith(".spec.json")]:
            run(["gpg", "--homedir", spack.environment["SPACK_GNUPGHOME"], "--batch", "--clearsign", "-o", path + ".sig", path])
            os.remove(path)
    names = ["%s-%d" % (kind, n) for kind in ("signed", "unsigned") for n in range(args.runs)]
    instances = {"mirror.pushed": "[warm, %s]" % ", ".join(names), "mirror.unsigned": "[warm, %s]" % ", ".join(names[args.runs :])}
    trusted = {"mirror.trusted_keys": "{%s}" % ", ".join("%s: %s" % (name, key) for name in names[: args.runs])}
    farms = {
        kind: Farm(args.program, os.path.join(scratch, "migrate-" + kind), executor=False, settings={**instances, **trusted, "mirror.key_type": kind})
        for kind in ("rsa", "ed25519")
    }
    for farm in farms.values():
        take(farm, "warm", unsigned)
    for what, original, more, into in (("signed", signed, (), names[: args.runs]), ("unsigned", unsigned, ("--unsigned",), names[args.runs :])):
        ours, theirs = {kind: [] for kind in farms}, []
        for name in into:
            copy = os.path.join(scratch, "migrate-copy-" + name)
            shutil.copytree(original, copy)
            spack.run("mirror", "add", name, "file://" + copy)
            theirs.append(spack.run("buildcache", "migrate", *more, name))
            for kind, farm in farms.items():
                ours[kind].append(take(farm, name, original))
                _, installs = read_index(farm, name)
                require_offered(installs, some)
        show("%s: spack buildcache migrate, wall" % what, [c.wall for c in theirs])
        show("  CPU", [c.cpu for c in theirs])
        for kind, taken in ours.items():
            show("%s: thresher mirror import, %s, wall" % (what, kind), [c.wall for c in taken])
            show("  CPU, client and server", [c.cpu for c in taken])
            show("  of that, client", [c.client for c in taken])
            compare("wall, migrate / import", [c.wall for c in theirs], [c.wall for c in taken])
            compare("CPU, migrate / import", [c.cpu for c in theirs], [c.cpu for c in taken])
    spack.close()
    for farm in farms.values():
        farm.stop()


def bench_clients(args, scratch):
    """Overlapping sets of one store, which each client packs for itself."""
    count = args.specs or 500
    store = os.path.join(scratch, "clients-store")
    there = specs(count, "c", root=store)
    write_store(there, 200_000)
    recipes = write_recipes(os.path.join(scratch, "clients-recipes"), there)
    other = os.path.expanduser(os.environ.get("SPACK_OTHER_ROOT", "~/spack-1.1"))
    roots = [None, other if os.path.isdir(other) else None, None]
    clients = [Spack(os.path.join(scratch, "client-%d" % n), root, store, recipes) for n, root in enumerate(roots)]
    print("Spack %s" % ", ".join(client.run("--version").output.strip() for client in clients))
    settings = {**pushed(["first", "second", "third"]), "store.reserve": "0"}
    farm = Farm(args.program, os.path.join(scratch, "clients"), executor=False, settings=settings)
    with open(farm.environment["THRESHER_TOKEN_FILE"]) as file:
        token = file.read().strip()
    for client, instance in zip(clients, ("first", "second", None)):
        add = ["mirror", "add", "--type", "binary", "--unsigned"]
        if instance:
            add += ["--s3-endpoint-url", "http://%s/s3" % farm.http, "--s3-access-key-id", "me", "--s3-access-key-secret-variable", "FARM_TOKEN"]
            client.run(*add, "farm", "s3://" + instance)
        else:
            add += ["--oci-username", "me", "--oci-password-variable", "FARM_TOKEN"]
            client.run(*add, "farm", "oci+http://%s/third" % farm.http)
        client.run("reindex")
    parts = [there[: count * 6 // 10], there[count * 2 // 10 : count * 8 // 10], there[count * 4 // 10 :]]

    def push(client, part):
        return client.run("buildcache", "push", "--unsigned", "--private", "--only=package", "farm", *["/" + s.hash for s in part], env={"FARM_TOKEN": token})

    begun = time.monotonic()
    with ThreadPoolExecutor() as threads:
        list(threads.map(push, clients, parts))
    pushes = sum(map(len, parts))
    print("%d pushes of %d specs by 3 clients at a time: %.0f s" % (pushes, count, time.monotonic() - begun))
    named, logical = {}, 0
    for instance, part in zip(("first", "second", "third"), parts):
        for spec in part:
            for checksum, size in blobs_of(farm, instance, spec):
                named[checksum] = size
                logical += size
    for spec in parts[2]:
        for checksum, size in image_of(farm, "third", spec, token):
            named[checksum] = size
    farm.stop()
    farm = Farm(args.program, os.path.join(scratch, "clients"), executor=False, settings=settings)
    farm.stop()  # what was in its log is in its tables now
    stored = 0
    for root, _, names in os.walk(os.path.join(scratch, "clients", "data", "blobs")):
        stored += sum(os.stat(os.path.join(root, name)).st_size for name in names)
    distinct = sum(named.values())
    print("bytes of all specs of all mirrors %44.1f MB" % (logical / 1e6))
    print("bytes of their distinct blobs, %d %43.1f MB" % (len(named), distinct / 1e6))
    print("bytes that the store takes on disk, tables and indices included %13.1f MB, %+.1f %%" % (stored / 1e6, (stored / distinct - 1) * 100))


def blobs_of(farm, instance, spec):
    path = "v3/manifests/spec/%s/%s-%s-%s.spec.manifest.json" % (spec.name, spec.name, spec.version, spec.hash)
    text = get("http://%s/mirror/%s/%s" % (farm.http, instance, path)).decode()
    return [(part["checksum"], part["contentLength"]) for part in json.loads(text[text.index("{") : text.rindex("}") + 1])["data"]]


def image_of(farm, repository, spec, token):
    tag = "%s-%s-%s.spack" % (spec.name, spec.version, spec.hash)
    request = urllib.request.Request("http://%s/v2/%s/manifests/%s" % (farm.http, repository, tag))
    request.add_header("Authorization", "Basic " + base64.b64encode(b"me:" + token.encode()).decode())
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    text = get(request)
    manifest = json.loads(text)
    parts = [(part["digest"][7:], part["size"]) for part in [manifest["config"], *manifest["layers"]]]
    return [(hashlib.sha256(text).hexdigest(), len(text)), *parts]
