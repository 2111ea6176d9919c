"""Fills the farm's source mirror: all that Spack would fetch for a DAG, as `spack mirror create` does for a directory."""

import contextlib
import os
import shutil
import sys
import tempfile

import spack.error

from spack.extensions.farm import dag, program
from spack.extensions.farm.compat import tty
from spack.extensions.farm.sources import Sources, described, name_of, path_of


FAILURES = (spack.error.SpackError, OSError)


def fill(args):
    """Returns the exit code."""
    if args.json and args.dry_run:
        tty.die("--json does not go with --dry-run")
    asked = dag.asked_for(args)
    if asked is None:
        return 0
    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):  # what Spack says while it fetches
        return fill_with(asked, args)


def fill_with(asked, args):
    nodes = [node for node in asked.nodes if not node.external and not is_developed(node)]
    fetched_here = {node.dag_hash() for node in nodes} if args.upload_sources and not args.dry_run else None
    there = program.Question(["sources", "list", "--json"]) if fetched_here else None
    work = tempfile.mkdtemp(prefix="spack-farm-")
    try:
        options = ["--" + flag.replace("_", "-") for flag in ("json", "dry_run") if getattr(args, flag)]
        with program.Errand(["sources", "fetch"], options) as errand:
            sources = EachByItself(fetched_here, work, {one["path"] for one in there.answers()} if there else frozenset())
            return errand.carry_out({"version": 1, "sources": [{"hash": n.dag_hash(), "sources": sources.of(n)} for n in nodes]})
    finally:
        shutil.rmtree(work, ignore_errors=True)


def is_developed(node):
    if "dev_path" in node.variants:
        tty.warn("%s is a dev_path spec, whose sources are on this machine alone: left out" % described(node))
        return True
    return False


class EachByItself(Sources):
    """One that cannot be had keeps none of the others out."""

    def of(self, node):
        try:
            return super().of(node)
        except FAILURES as e:
            return [{"unsupported": "%s: %s" % (described(node), e)}]

    def _of_stage(self, node, stage):
        try:
            if path_of(stage).startswith("_source-cache/"):
                return super()._of_stage(node, stage)
            why = "comes from %s without a revision, so it is not always the same and no mirror keeps it" % stage.default_fetcher
        except FAILURES as e:
            why = "could not be fetched: %s" % e
        return {"mirror_path": path_of(stage), "name": name_of(stage), "unsupported": "%s %s" % (described(node), why)}
