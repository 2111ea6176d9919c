"""The farm's mirror: trusted, named to Spack, installed from."""

import argparse
import contextlib
import http.client
import os
import shutil
import sys
import tempfile
import urllib.parse

import spack.binary_distribution
import spack.cmd.install
import spack.config
import spack.hash_types
import spack.mirrors.mirror
import spack.util.gpg

from spack.extensions.farm import program
from spack.extensions.farm.compat import tty

NAME = "farm"

TAKING = """Take the specs of another binary mirror into an instance of the farm that is meant for them. The farm verifies every
signature and archive. What was interrupted goes on when it is started again. `thresher mirror import --help` says more."""


def ask():
    """Name, url and key fingerprint, as the farm says them."""
    return program.Question(["mirror", "list", "--json"])


def install(roots, asked, args, mirror=None):
    """Installs roots with Spack itself, in this process: every scope of its configuration, command line included, stays in force.

    Without a mirror nothing is fetched, because everything is there.
    """
    if mirror is not None:
        use(mirror)
        if not args.no_check_signature:
            trust(mirror)
    scratch = tempfile.mkdtemp(prefix="spack-farm-")
    try:
        command = ["--use-buildcache", "only"]
        if args.concurrent_packages:
            command += ["-p", str(args.concurrent_packages)]
        if args.only:
            command += ["--only", args.only]
        for flag in ("yes_to_all", "fail_fast", "overwrite", "keep_prefix", "include_build_deps", "no_check_signature"):
            if getattr(args, flag):
                command.append("--" + flag.replace("_", "-"))
        command += subjects(roots, asked, args, scratch)
        return run_install(command)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def subjects(roots, asked, args, scratch):
    """How `spack install` is told what to install: nothing for a whole environment, hashes in one, else files."""
    if args.only == "dependencies":  # of what the user named; only the farm was asked for the dependencies themselves
        roots = [spec for spec in asked.specs if asked.needed_here(spec) - {spec.dag_hash()} <= all_of(roots, asked)]
    if asked.env:
        whole = not args.specs or args.add
        chosen = [] if whole and len(roots) == len(asked.specs) else ["/" + root.dag_hash() for root in roots]
        return ["--only-concrete"] + chosen
    files = []
    for root in roots:
        path = os.path.join(scratch, "%s-%s.spec.json" % (root.name, root.dag_hash(7)))
        with open(path, "w") as out:
            out.write(root.to_json(hash=spack.hash_types.dag_hash))
        files.append(path)
    return files


def all_of(roots, asked):
    return {found for root in roots for found in asked.needed_here(root)}


def run_install(arguments):
    parser = argparse.ArgumentParser(prog="spack install")
    parser.set_defaults(verbose=False, subparser=parser)
    spack.cmd.install.setup_parser(parser)
    return spack.cmd.install.install(parser, parser.parse_args(arguments)) or 0


def use(mirror):
    """Names the mirror to this process alone."""
    entry = {"url": mirror["url"], "binary": True, "source": False, "signed": True}
    spack.config.set("mirrors:" + unused_name(), entry, scope="command_line")


def unused_name():
    """A mirror of the user's may be called `farm` too."""
    taken = spack.config.get("mirrors") or {}
    name = NAME
    while name in taken:
        name += "-"
    return name


def trust(mirror):
    """Imports the farm's own key, and no other mirror's, into Spack's keyring unless it is there."""
    if trusted(mirror["fingerprint"]):
        return
    with quiet():
        import_key(mirror)
    if not trusted(mirror["fingerprint"]):
        tty.die("the farm's key %s was not found at %s" % (mirror["fingerprint"], mirror["url"]))


def import_key(mirror):
    options = {"install": True, "trust": True, "mirrors": {NAME: spack.mirrors.mirror.Mirror(mirror["url"])}}
    try:
        spack.binary_distribution.get_keys(yes_to_all=True, **options)
    except TypeError:  # before 1.2 nothing is asked
        spack.binary_distribution.get_keys(**options)


@contextlib.contextmanager
def quiet():
    """Keeps what gpg says from the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in zip((1, 2), kept):
            os.dup2(saved, descriptor)
            os.close(saved)
        os.close(nowhere)


def trusted(fingerprint):
    keys = spack.util.gpg.public_keys()
    return any(fingerprint.upper() in str(getattr(key, "fingerprint", key)).upper() for key in keys)


def add(name, scope):
    mirror = ask().answer()
    known = (spack.config.get("mirrors") or {}).get(name)
    if known:
        url = known if isinstance(known, str) else known.get("url", "another place")
        if url != mirror["url"]:
            tty.die("a mirror `%s` is configured already, at %s: give another name" % (name, url))
    else:
        mirrors = spack.config.get("mirrors", scope=scope or spack.config.default_modify_scope("mirrors")) or {}
        mirrors[name] = {"url": mirror["url"], "binary": True, "source": False}
        spack.config.set("mirrors", mirrors, scope=scope or spack.config.default_modify_scope("mirrors"))
    trust(mirror)
    tty.msg("%s is mirror `%s`, its key %s is trusted; spack install now finds what the farm has" % (mirror["url"], name, mirror["fingerprint"]))
    return 0


def take(args):
    options = [option for option in ("unsigned", "json", "dry_run") if getattr(args, option)]
    command = ["mirror", "import"] + ["--" + option.replace("_", "-") for option in options]
    command += ["--instance=" + args.instance] if args.instance else []
    command += ["--jobs=%d" % args.jobs] if args.jobs is not None else []
    url, secrets = whereabouts(args.mirror)
    return program.run(command + [url], secrets)


def whereabouts(name):
    """Where a mirror is, and what the program needs in its environment to read it: what Spack has configured for it."""
    configured = spack.mirrors.mirror.MirrorCollection(binary=True)
    if name not in configured:
        return name, {}
    mirror = configured[name]
    pair = mirror.get_access_pair("fetch") or (None, None)
    if mirror.fetch_url.startswith("s3:"):
        secrets = {
            "AWS_ENDPOINT_URL": mirror.get_endpoint_url("fetch"),
            "AWS_ACCESS_KEY_ID": pair[0],
            "AWS_SECRET_ACCESS_KEY": pair[1],
            "AWS_SESSION_TOKEN": mirror.get_access_token("fetch"),
        }
    elif mirror.fetch_url.startswith("oci"):
        secrets = {"OCI_USERNAME": pair[0], "OCI_PASSWORD": pair[1]}
    else:
        secrets = {}
    return mirror.fetch_url, {variable: value for variable, value in secrets.items() if value}


def missing(asked, url):
    """Nodes that the farm would have to build: what its mirror lacks, seen from the roots down.

    Only to save work; where the mirror does not answer, everything counts as missing.
    """
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=30)
    lacking, seen, queue = set(), set(), list(asked.roots)
    try:
        while queue:
            node = queue.pop()
            if node.dag_hash() in seen or node.external:
                continue
            seen.add(node.dag_hash())
            connection.request("HEAD", "%s/v3/manifests/spec/%s" % (parts.path.rstrip("/"), urllib.parse.quote(manifest_name(node))))
            reply = connection.getresponse()
            reply.read()
            if reply.status == 404:
                lacking.add(node.dag_hash())
                queue.extend(node.dependencies())
            else:
                queue.extend(node.dependencies(deptype=("link", "run")))
    except (OSError, http.client.HTTPException):
        return {node.dag_hash() for node in asked.nodes}
    finally:
        connection.close()
    return lacking


def manifest_name(node):
    return "%s/%s-%s-%s.spec.manifest.json" % (node.name, node.name, node.version, node.dag_hash())
