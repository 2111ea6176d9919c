"""Mirrors that look as Spack writes them, with as many specs as wanted: nodes of the usual size with hashes that are true, in DAGs
of 20 that share the compiler, and archives that hold what an archive must hold and one small file. Nothing of it was built."""
import base64
import gzip
import hashlib
import io
import json
import os
import tarfile

NODES_A_DAG = 20
ROOT = "/opt/synthetic/store"
ARCH = {"platform": "linux", "platform_os": "debian12", "target": "x86_64_v3"}
PARAMETERS = {
    "build_system": "autotools",
    **dict.fromkeys(("bzip2", "curses", "git", "libxml2", "optimize", "pic", "shared", "tar", "xz"), True),
    **{flags: [] for flags in ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")},
}


def compact(document):
    return json.dumps(document, separators=(",", ":"))


class Spec:
    """One node, and the nodes below it in the order in which they were made."""

    def __init__(self, root, legacy, name, version, members, dependencies=()):
        self.name, self.version, self.dependencies = name, version, [spec for spec, _ in dependencies]
        node = {"name": name, "version": version, "arch": ARCH}
        if legacy:  # before Spack 1.0 a compiler was no dependency
            node["compiler"] = {"name": "gcc", "version": "12.2.0"}
        node.update(members)
        if dependencies:
            node["dependencies"] = [
                {"name": spec.name, "hash": spec.hash, "parameters": {"deptypes": types.split(","), "virtuals": ["c"] if spec.name == "gcc" else []}}
                for spec, types in sorted(dependencies, key=lambda edge: edge[0].name)  # the order in which Spack writes it again
            ]
        if not legacy:
            node["annotations"] = {"original_specfile_version": 5}
        self.external = "external" in members
        self.hash = base64.b32encode(hashlib.sha1(compact(node).encode()).digest()).decode().lower()
        self.node = {**node, "hash": self.hash}
        self.root = root
        self.prefix = "%s/linux-x86_64_v3/%s-%s-%s" % (root, name, version, self.hash)

    def document(self, version):
        below, open_ = {}, [self]
        while open_:
            spec = open_.pop()
            if spec.hash not in below:
                below[spec.hash] = spec.node
                open_ += spec.dependencies
        return {"spec": {"_meta": {"version": version}, "nodes": list(below.values())}}

    def archive(self, version):
        relative = os.path.relpath(self.prefix, self.root)
        facts = {"buildpath": self.root, "spackprefix": "/opt/spack", "relative_prefix": relative}
        facts.update({"relocate_textfiles": [], "relocate_binaries": [], "relocate_links": [], "hardlinks_deduped": True, "hash_to_prefix": {}})
        files = {".spack/binary_distribution": compact(facts), ".spack/spec.json": compact(self.document(version)), "name": self.name}
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            parts = self.prefix.strip("/").split("/")
            for directory in ["/".join(parts[: n + 1]) for n in range(len(parts))] + [self.prefix.strip("/") + "/.spack"]:
                member = tarfile.TarInfo(directory)
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            for name, text in files.items():
                member = tarfile.TarInfo(self.prefix.strip("/") + "/" + name)
                member.size, member.mode = len(text), 0o644
                tar.addfile(member, io.BytesIO(text.encode()))
        return gzip.compress(out.getvalue(), 6, mtime=0)


def specs(count, salt, legacy=False, root=ROOT):
    """What is needed comes before what needs it."""
    made = []
    for dag in range((count + NODES_A_DAG - 1) // NODES_A_DAG):
        compiler = Spec(root, False, "gcc", "12.2.0", {"external": {"path": "/usr", "module": None, "extra_attributes": {}}})
        chain = []
        for n in range(min(NODES_A_DAG, count - dag * NODES_A_DAG)):
            members = {"namespace": "synthetic", "parameters": PARAMETERS, "package_hash": "z3oo5cukevipvpdnbi22oigaqbeousvkyc3bbflgfzo5yawhhkpa===="}
            needs = [] if legacy else [(compiler, "build")]
            needs += [(chain[-1], "build,link")] if n > 0 else []
            needs += [(chain[0], "link")] if n > 1 else []
            chain.append(Spec(root, legacy, "%s%d-%d" % (salt, dag, n), "1.0", members, needs))
        made += chain
    return made


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content)


def write_v3(directory, some):
    """Unsigned, without an index."""
    write(directory + "/v3/layout.json", b'{"signing": "gpg"}')
    for spec in some:
        data = []
        media = ("application/vnd.spack.install.v2.tar+gzip", "application/vnd.spack.spec.v5+json")
        for media_type, content in zip(media, (spec.archive(5), gzip.compress(compact(spec.document(5)).encode(), mtime=0))):
            checksum = hashlib.sha256(content).hexdigest()
            write("%s/blobs/sha256/%s/%s" % (directory, checksum[:2], checksum), content)
            part = {"contentLength": len(content), "mediaType": media_type, "compression": "gzip"}
            data.append({**part, "checksumAlgorithm": "sha256", "checksum": checksum})
        manifest = "%s/v3/manifests/spec/%s/%s-%s-%s.spec.manifest.json" % (directory, spec.name, spec.name, spec.version, spec.hash)
        write(manifest, compact({"version": 3, "data": data}).encode())


def write_v2(directory, some):
    """As Spack 0.23 wrote it, unsigned, with its index."""
    installs = {}
    for spec in some:
        content = spec.archive(4)
        place = "linux-debian12-x86_64_v3-gcc-12.2.0-%s-%s-%s" % (spec.name, spec.version, spec.hash)
        write("%s/build_cache/linux-debian12-x86_64_v3/gcc-12.2.0/%s-%s/%s.spack" % (directory, spec.name, spec.version, place), content)
        checksum = {"hash_algorithm": "sha256", "hash": hashlib.sha256(content).hexdigest()}
        document = {**spec.document(4), "buildcache_layout_version": 2, "binary_cache_checksum": checksum}
        write("%s/build_cache/%s.spec.json" % (directory, place), json.dumps(document, indent=0, separators=(",", ":")).encode())
        installs[spec.hash] = {"spec": spec.node, "ref_count": 0, "in_buildcache": True}
    for spec in some:
        for needed in spec.dependencies:
            installs[needed.hash]["ref_count"] += 1
    index = compact({"database": {"version": "7", "installs": installs}}).encode()
    write(directory + "/build_cache/index.json", index)
    write(directory + "/build_cache/index.json.hash", hashlib.sha256(index).hexdigest().encode())


def write_store(some, size_bytes):
    """Installed, as `spack reindex` finds them, each with a file that nobody can compress."""
    for spec in some:
        write(spec.prefix + "/.spack/spec.json", compact(spec.document(5)).encode())
        write(spec.prefix + "/data", os.urandom(size_bytes))


def write_recipes(directory, some):
    """A repository of recipes, which an image's environment is made from."""
    repository = directory + "/spack_repo/synthetic"
    write(repository + "/repo.yaml", b"repo:\n  namespace: synthetic\n  api: v2.0\n")
    for spec in some:
        words = spec.name.split("-")
        recipe = 'from spack.package import *\n\n\nclass %s(Package):\n    version("1.0")\n' % "".join(map(str.capitalize, words))
        write("%s/packages/%s/package.py" % (repository, "_".join(words)), recipe.encode())
    return repository
