"""The plan: what `thresher build` uploads and asks for."""

import json
import os
import shutil

import spack.config
import spack.paths
import spack.util.spack_yaml as syaml

from spack.extensions.farm import mirror
from spack.extensions.farm.recipes import recipe_directories
from spack.extensions.farm.sources import Sources

#: Sections of the client's configuration that decide what a build gives. Everything else is the farm's.
SECTIONS = ("packages", "compilers", "toolchains", "env_vars")


def write_plan(asked, args):
    """Writes it where --plan-out says. It outlives this call, and what it names must too."""
    work = os.path.abspath(args.plan_out) + ".files"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    with open(args.plan_out, "w") as out:
        json.dump(make_plan(asked, args, work, None), out)


def make_plan(asked, args, work, farm):
    """The plan. Files that are made for it, fetched sources among them, are below `work`.

    farm: knows what the farm's mirror is, if only sources are wanted that it lacks
    """
    built = [node for node in asked.nodes if not node.external]
    dag = os.path.join(work, "dag.json")
    with open(dag, "w") as out:
        out.write(asked.document)
    sources = Sources(wanted(asked, built, args, farm), work)
    return {
        "version": 1,
        "dag": dag,
        "roots": asked.hashes_for_farm(),
        "trees": {"core": core_tree(), "recipes": entries(recipe_directories(asked.nodes)), "configuration": configuration_tree(work)},
        "sources": [{"hash": node.dag_hash(), "sources": sources.of(node)} for node in built if sources.concern(node)],
        "options": {
            "build_jobs": args.jobs,
            "fail_fast": args.fail_fast,
            "retry_failed": args.retry_failed,
            "verbose": args.farm_verbose,
        },
    }


def wanted(asked, built, args, farm):
    """Hashes of the nodes whose sources are uploaded; None where the farm fetches them all."""
    if not args.upload_sources:
        return None
    return mirror.missing(asked, farm.answer()["url"]) if farm else {node.dag_hash() for node in built}


def entry(path, source):
    return {"path": path, "from": source}


def entries(sources_by_path):
    return [entry(path, sources_by_path[path]) for path in sorted(sources_by_path)]


def core_tree():
    prefix = spack.paths.prefix
    parts = ["bin", "lib/spack", "share/spack", "etc/spack/defaults"]
    return [entry(p, os.path.join(prefix, p)) for p in parts if os.path.exists(os.path.join(prefix, p))]


def configuration_tree(work):
    scope = os.path.join(work, "configuration")
    os.mkdir(scope)
    found = []
    for section_name in SECTIONS:
        try:
            data = spack.config.get(section_name)
        except Exception:  # a section that this Spack does not have
            continue
        if data:
            write_section(scope, found, section_name, data)
    shared_linking = spack.config.get("config:shared_linking", None)
    if shared_linking:
        write_section(scope, found, "config", {"shared_linking": shared_linking})
    return found


def write_section(scope, found, name, data):
    # Spack writes what it finds in any order; in one order, the same configuration is the same blob for all clients.
    data = syaml.syaml_dict((key, data[key]) for key in sorted(data)) if isinstance(data, dict) else data
    path = os.path.join(scope, name + ".yaml")
    with open(path, "w") as out:
        syaml.dump(syaml.syaml_dict({name: data}), stream=out, default_flow_style=False)
    found.append(entry(name + ".yaml", path))
