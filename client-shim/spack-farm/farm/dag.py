"""What is asked for: concrete roots, and a document that holds them as Spack wrote it."""

import json
import os

import spack.cmd
import spack.environment as ev
import spack.hash_types
import spack.spec

from spack.extensions.farm.compat import tty


class Asked:
    """Concrete roots, every node below them, and the document's text."""

    def __init__(self, specs, document, env, things=None, include_build_deps=False):
        #: What the user named.
        self.specs = specs
        self.document = document
        #: The environment that is installed into; None outside of one.
        self.env = env
        self.runtime = ("link", "run", "build") if include_build_deps else ("link", "run")
        #: What the farm is asked for.
        self.roots = self.below(specs) if things == "dependencies" else specs
        self.nodes = unique(node for root in self.roots for node in root.traverse())
        self._closures = {}

    def below(self, specs):
        return unique(node for spec in specs for node in spec.traverse(root=False, deptype=self.runtime))

    def needed_here(self, root):
        """Hashes of what an installation of this root consists of."""
        if root.dag_hash() not in self._closures:
            self._closures[root.dag_hash()] = {node.dag_hash() for node in root.traverse(deptype=self.runtime)}
        return self._closures[root.dag_hash()]

    def hashes_for_farm(self):
        """The roots; with build dependencies wanted here, those too, because a node that is cached brings none along."""
        roots = self.roots if "build" not in self.runtime else unique(n for r in self.roots for n in r.traverse(deptype=self.runtime))
        return [root.dag_hash() for root in roots]

    def installed(self):
        needed = unique(node for root in self.roots for node in root.traverse(deptype=self.runtime))
        return all(node.external or node.installed for node in needed)

    def refuse_what_no_farm_builds(self):
        for node in self.nodes:
            if node.spliced:
                tty.die("%s is spliced, which the farm does not build: solve without splicing (concretizer:splice)" % name(node))
            if not node.concrete:
                tty.die("%s is not concrete" % node)


def name(node):
    return node.format("{name}{@version}{/hash:7}")


def unique(nodes):
    found = {}
    for node in nodes:
        found.setdefault(node.dag_hash(), node)
    return list(found.values())


def asked_for(args):
    """None where there is nothing to do."""
    env = ev.active_environment()
    if env:
        return of_environment(env, args)
    if not args.specs:
        command = args.farm_command
        hint = ". For the spack.yaml of this directory: spack -e . farm " + command if os.path.isfile("spack.yaml") else ""
        tty.die("spack farm %s needs specs, or an active environment%s" % (command, hint))
    if args.add or args.only_concrete:
        tty.die("--add and --only-concrete need an active environment")
    specs = spack.cmd.parse_specs(args.specs, concretize=True)
    specs = unique(specs)
    return Asked(specs, document_of(specs, args.specs), None, args.only, args.include_build_deps)


def of_environment(env, args):
    """As `spack install` does: concretise what is not, and take all roots, or the nodes that match the specs given."""
    specs = spack.cmd.parse_specs(args.specs)
    if not args.only_concrete:
        with env.write_transaction():
            if args.add:
                for spec in specs:
                    env.add(spec)
            fresh = env.concretize()
            if fresh:
                tty.msg("Concretized %d spec%s" % (len(fresh), "" if len(fresh) == 1 else "s"))
            env.write(regenerate=False)
    if args.add or not specs:
        chosen = [concrete for _, concrete in env.concretized_specs()]
        if not chosen:
            tty.msg("%s environment has no specs to install" % env.name)
            return None
    else:
        chosen = env.all_matching_specs(*specs)
        if not chosen:
            given = " ".join(args.specs)
            tty.die(
                "no concrete spec of this environment matches `%s`; add it with `spack add %s`, or with `spack farm install --add %s`"
                % (given, given, given)
            )
    with open(env.lock_path) as lock:
        return Asked(unique(chosen), lock.read(), env, args.only, args.include_build_deps)


def document_of(specs, arguments):
    """The text of a single file is kept as it is: its nodes hash to what they say only as they were written."""
    if len(arguments) == 1 and arguments[0].endswith(".json") and os.path.isfile(arguments[0]):
        with open(arguments[0]) as f:
            return f.read()
    return joined_document(specs)


def joined_document(roots):
    """One document of all nodes; each node's text is the one that Spack writes for it."""
    if len(roots) == 1:
        return roots[0].to_json(hash=spack.hash_types.dag_hash)
    texts, seen, version = [], set(), None
    for root in roots:
        document = json.loads(root.to_json(hash=spack.hash_types.dag_hash))  # dicts keep the written order
        version = document["spec"]["_meta"]["version"]
        for node in document["spec"]["nodes"]:
            if node["hash"] not in seen:
                seen.add(node["hash"])
                texts.append(json.dumps(node, separators=(",", ":")))
    return '{"spec":{"_meta":{"version":%s},"nodes":[%s]}}' % (json.dumps(version), ",".join(texts))
