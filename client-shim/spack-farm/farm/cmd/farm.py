"""The `spack farm` command: hand a concrete DAG to a Thresher farm, install from its mirror.

Spack decides what a DAG is, where recipes lie and what would be fetched; this file only collects that into a plan, which the program
`thresher` carries out. It needs nothing but Spack and Python's standard library.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import spack.cmd
import spack.config
import spack.environment as ev
import spack.fetch_strategy
import spack.hash_types
import spack.paths
import spack.repo
import spack.spec
import spack.util.spack_yaml as syaml

try:
    import spack.llnl.util.tty as tty
except ImportError:  # Spack 1.0
    import llnl.util.tty as tty

description = "build missing specs on a Thresher farm and install them from its mirror"
section = "build"
level = "short"

MIRROR_NAME = "farm"
#: Sections of the client's configuration that decide what a build gives. Everything else is the farm's.
SECTIONS = ("packages", "compilers", "toolchains", "env_vars")


def setup_parser(subparser):
    sub = subparser.add_subparsers(metavar="SUBCOMMAND", dest="farm_command")

    install = sub.add_parser("install", help="build on the farm what nobody has built yet, then install it here")
    install.add_argument("specs", nargs="*", metavar="SPEC", help="specs, /hashes or spec.json files; none: the active environment")
    install.add_argument("-j", "--jobs", type=int, default=0, help="parallel jobs in each build (default: the executor's)")
    install.add_argument("-p", "--concurrent-packages", type=int, default=None, help="packages installed here at a time")
    install.add_argument("-v", "--verbose", action="store_true", help="show the logs of the builds as they run")
    install.add_argument("-y", "--yes-to-all", action="store_true", help="answer yes to all questions")
    install.add_argument("--fail-fast", action="store_true", help="stop handing out builds after the first failure")
    install.add_argument("--retry-failed", action="store_true", help="build again what the farm remembers as broken")
    install.add_argument("--upload-sources", action="store_true", help="fetch sources here and upload them, for farms without network")
    install.add_argument("--build-only", action="store_true", help="build on the farm, install nothing here")
    install.add_argument("--plan-out", metavar="FILE", help="write the plan to FILE and stop")
    reuse = install.add_mutually_exclusive_group()
    reuse.add_argument("-U", "--fresh", action="store_true", help="solve without reusing what is installed")
    reuse.add_argument("--reuse", action="store_true", help="solve reusing what is installed")

    status = sub.add_parser("status", help="show the farm's executors and queue, or one request")
    status.add_argument("request", nargs="?")
    logs = sub.add_parser("logs", help="print the log of a build")
    logs.add_argument("-f", "--follow", action="store_true", help="go on while the build runs")
    logs.add_argument("subject", help="an execution, or /hash")
    cancel = sub.add_parser("cancel", help="cancel a request")
    cancel.add_argument("request")

    mirror = sub.add_parser("mirror", help="use the farm's mirror")
    mirror_sub = mirror.add_subparsers(metavar="SUBCOMMAND", dest="mirror_command")
    add = mirror_sub.add_parser("add", help="add the farm's mirror to Spack's configuration and trust its key")
    add.add_argument("name", nargs="?", default=MIRROR_NAME)
    add.add_argument("--scope", help="configuration scope to change")


def farm(parser, args):
    if args.farm_command == "install":
        return farm_install(args)
    if args.farm_command == "status":
        return thresher(["status"] + ([args.request] if args.request else []))
    if args.farm_command == "logs":
        return thresher(["logs"] + (["--follow"] if args.follow else []) + [args.subject])
    if args.farm_command == "cancel":
        return thresher(["cancel", args.request])
    if args.farm_command == "mirror" and args.mirror_command == "add":
        return farm_mirror_add(args)
    tty.die("spack farm needs a subcommand: install, status, logs, cancel or mirror add")


# ---------------------------------------------------------------------------------------------------------------------- install


def farm_install(args):
    if args.fresh:
        spack.config.set("concretizer:reuse", False, scope="command_line")
    elif args.reuse:
        spack.config.set("concretizer:reuse", True, scope="command_line")
    roots, document = concrete_dag(args)
    nodes = unique_nodes(roots)
    work = tempfile.mkdtemp(prefix="spack-farm-")
    try:
        plan = make_plan(roots, nodes, document, args, work)
        plan_file = args.plan_out or os.path.join(work, "plan.json")
        with open(plan_file, "w") as out:
            json.dump(plan, out)
        if args.plan_out:
            return 0
        code = thresher(["build", plan_file], quiet_failure=True)
        if code or args.build_only:
            return code
    finally:
        for spec in nodes:
            if args.upload_sources and not spec.external:
                spec.package.stage.destroy()
        if not args.plan_out:
            shutil.rmtree(work, ignore_errors=True)
    return install_from_mirror(roots, args)


def concrete_dag(args):
    """The concrete roots, and the text of a document that holds them as Spack writes it."""
    env = ev.active_environment()
    if not args.specs:
        if not env:
            tty.die("spack farm install needs specs, or an active environment")
        with env.write_transaction():
            env.concretize()
            env.write(regenerate=False)
        with open(env.lock_path) as lock:
            return [root for _, root in env.concretized_specs()], lock.read()
    files = [s for s in args.specs if s.endswith(".json") and os.path.isfile(s)]
    if len(files) == len(args.specs) == 1:
        with open(files[0]) as f:
            text = f.read()
        return [spack.spec.Spec.from_json(text)], text
    roots = [spack.spec.Spec.from_specfile(f) for f in files]
    abstract = [s for s in args.specs if s not in files]
    if abstract:
        roots += spack.cmd.parse_specs(abstract, concretize=True)
    return roots, joined_document(roots)


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


def unique_nodes(roots):
    found = {}
    for root in roots:
        for node in root.traverse():
            found.setdefault(node.dag_hash(), node)
    return list(found.values())


# ---------------------------------------------------------------------------------------------------------------------- the plan


def make_plan(roots, nodes, document, args, work):
    built = [n for n in nodes if not n.external]
    dag = os.path.join(work, "dag.json")
    with open(dag, "w") as out:
        out.write(document)
    plan = {
        "version": 1,
        "dag": dag,
        "roots": [r.dag_hash() for r in roots],
        "trees": {"core": core_tree(), "recipes": recipe_tree(nodes), "configuration": configuration_tree(work)},
        "sources": [{"hash": n.dag_hash(), "sources": sources_of(n, args.upload_sources)} for n in built],
        "options": {
            "build_jobs": args.jobs,
            "fail_fast": args.fail_fast,
            "retry_failed": args.retry_failed,
            "verbose": args.verbose,
        },
    }
    if args.plan_out:  # the plan outlives this call, so what it names must too
        keep = os.path.abspath(args.plan_out) + ".files"
        shutil.rmtree(keep, ignore_errors=True)
        shutil.copytree(work, keep)
        plan = json.loads(json.dumps(plan).replace(json.dumps(work)[1:-1], json.dumps(keep)[1:-1]))
    return plan


def entry(path, source):
    return {"path": path, "from": source}


def core_tree():
    prefix = spack.paths.prefix
    parts = ["bin", "lib/spack", "share/spack", "etc/spack/defaults"]
    return [entry(p, os.path.join(prefix, p)) for p in parts if os.path.exists(os.path.join(prefix, p))]


def recipe_tree(nodes):
    """Each package's directory whole, repo.yaml, and the modules of the repos that are no packages.

    Those of externals too: recipes ask them for their compilers and libraries.
    """
    entries = {}

    def package(name_or_fullname):
        repo = spack.repo.PATH.repo_for_pkg(name_or_fullname)
        name = name_or_fullname.split(".")[-1]
        directory = os.path.dirname(repo.filename_for_package_name(name))
        entries.setdefault(os.path.join(repo_path(repo), os.path.relpath(directory, repo.root)), directory)
        return repo

    repos = {}
    for node in nodes:
        node.package  # loads the class, and with it every module that it imports
        repo = package(node.fullname if node.namespace else node.name)
        repos[repo.root] = repo
    for repo in spack.repo.PATH.repos:
        loaded = [m for m in sys.modules if m == repo_module(repo) or m.startswith(repo_module(repo) + ".")]
        if repo.root not in repos and not loaded:
            continue
        for module in loaded:  # classes that recipes inherit from
            file = getattr(sys.modules[module], "__file__", None)
            if file and os.path.basename(file) == "package.py":
                directory = os.path.dirname(file)
                entries.setdefault(os.path.join(repo_path(repo), os.path.relpath(directory, repo.root)), directory)
        for name in sorted(os.listdir(repo.root)):
            path = os.path.join(repo.root, name)
            if path != repo.packages_path and not name.startswith(".") and name != "__pycache__":
                entries.setdefault(os.path.join(repo_path(repo), name), path)
    return [entry(path, entries[path]) for path in sorted(entries)]


def repo_path(repo):
    return repo.namespace.replace(".", "/")


def repo_module(repo):
    return "spack_repo." + repo.namespace


def configuration_tree(work):
    scope = os.path.join(work, "configuration")
    os.mkdir(scope)
    entries = []
    for section_name in SECTIONS:
        try:
            data = spack.config.get(section_name)
        except Exception:  # a section that this Spack does not have
            continue
        if data:
            write_section(scope, entries, section_name, data)
    shared_linking = spack.config.get("config:shared_linking", None)
    if shared_linking:
        write_section(scope, entries, "config", {"shared_linking": shared_linking})
    return entries


def write_section(scope, entries, name, data):
    # Spack writes what it finds in any order; in one order, the same configuration is the same blob for all clients.
    data = syaml.syaml_dict((key, data[key]) for key in sorted(data)) if isinstance(data, dict) else data
    path = os.path.join(scope, name + ".yaml")
    with open(path, "w") as out:
        syaml.dump(syaml.syaml_dict({name: data}), stream=out, default_flow_style=False)
    entries.append(entry(name + ".yaml", path))


def sources_of(node, fetch):
    """What Spack would fetch for this node, and where a source mirror keeps it."""
    package = node.package
    if not package.has_code:
        return []
    found = []
    for stage in package.stage:
        fetcher = getattr(stage, "default_fetcher", None)
        if fetcher is None or isinstance(fetcher, spack.fetch_strategy.BundleFetchStrategy):
            if "dev_path" in node.variants:
                found.append({"unsupported": "%s is a dev_path spec" % node.name})
            continue
        digest = str(getattr(fetcher, "digest", "") or "")
        if not isinstance(fetcher, spack.fetch_strategy.URLFetchStrategy):
            found.append({"unsupported": "the farm does not fetch %s yet" % fetcher})
        elif len(digest) != 64:
            found.append({"unsupported": "%s has no sha256" % fetcher.url})
        else:
            source = {
                "sha256": digest.lower(),
                "urls": [u for u in fetcher.candidate_urls if u.split(":")[0] in ("http", "https", "ftp")],
                "mirror_path": stage.mirror_layout.path,
            }
            if package.manual_download and not fetch:
                source["unsupported"] = "%s has to be downloaded by hand; use --upload-sources" % node.name
            if fetch:
                source["file"] = fetched(stage)
            found.append(source)
    return found


def fetched(stage):
    """A local file with the stage's archive: from a file mirror or Spack's source cache where it is there."""
    for mirror in stage.mirrors:
        url = mirror.fetch_url
        if url.startswith("file://"):
            path = os.path.join(url[len("file://") :], stage.mirror_layout.path)
            if os.path.isfile(path):
                return os.path.realpath(path)
    stage.create()
    stage.fetch()
    if not stage.archive_file:
        tty.die("the source %s was not fetched" % stage.mirror_layout.path)
    return os.path.realpath(stage.archive_file)


# ---------------------------------------------------------------------------------------------------------------------- the mirror


def install_from_mirror(roots, args):
    scratch = tempfile.mkdtemp(prefix="spack-farm-")
    try:
        spack_here = spack_with_mirror(mirror_of_farm(), scratch)
        trust(spack_here)
        command = ["install", "--use-buildcache", "only"]
        if args.concurrent_packages:
            command += ["-p", str(args.concurrent_packages)]
        if args.yes_to_all:
            command.append("-y")
        env = ev.active_environment()
        if env and not args.specs:
            return subprocess.call(spack_here + ["-D", env.path] + command)
        for root in roots:
            path = os.path.join(scratch, "%s-%s.spec.json" % (root.name, root.dag_hash(7)))
            with open(path, "w") as out:
                out.write(root.to_json(hash=spack.hash_types.dag_hash))
            command.append(path)
        return subprocess.call(spack_here + command)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def spack_with_mirror(mirror, scratch):
    """This Spack, with the farm's mirror in a configuration scope of this call's own."""
    scope = os.path.join(scratch, "scope")
    os.mkdir(scope)
    with open(os.path.join(scope, "mirrors.yaml"), "w") as out:
        out.write("mirrors:\n  %s:\n    url: %s\n    source: false\n" % (MIRROR_NAME, json.dumps(mirror["url"])))
    return [sys.executable, os.path.join(spack.paths.prefix, "bin", "spack"), "-C", scope]


def mirror_of_farm():
    output = subprocess.run(thresher_command() + ["mirror", "--json"], stdout=subprocess.PIPE)
    if output.returncode:
        sys.exit(output.returncode)
    return json.loads(output.stdout.decode())


def trust(spack_here):
    command = spack_here + ["buildcache", "keys", "--install", "--trust"]
    done = quiet(command)
    if done.returncode:  # later versions want the question answered beforehand
        done = quiet(command + ["-y"])
    if done.returncode:
        tty.die("the farm's key was not accepted:", done.stdout.decode(errors="replace"))


def quiet(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def farm_mirror_add(args):
    mirror = mirror_of_farm()
    spack_here = [sys.executable, os.path.join(spack.paths.prefix, "bin", "spack")]
    scope = ["--scope", args.scope] if args.scope else []
    code = subprocess.call(spack_here + ["mirror", "add", "--type", "binary"] + scope + [args.name, mirror["url"]])
    if code == 0:
        trust(spack_here)
        tty.msg("The key %s is trusted; spack install now finds what the farm has" % mirror["fingerprint"])
    return code


# ---------------------------------------------------------------------------------------------------------------------- thresher


def thresher_command():
    """The program: named by SPACK_FARM_CLI, beside this extension, or on PATH."""
    named = os.environ.get("SPACK_FARM_CLI")
    if named:
        return [named]
    here = os.path.dirname(os.path.realpath(__file__))
    for relative in ("../../../bin/thresher", "../../../../thresher"):
        candidate = os.path.normpath(os.path.join(here, relative))
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return [candidate]
    found = shutil.which("thresher")
    if not found:
        tty.die("the program `thresher` was not found: put it on PATH or set SPACK_FARM_CLI")
    return [found]


def thresher(arguments, quiet_failure=False):
    process = subprocess.Popen(thresher_command() + arguments)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the program has heard it too: it detaches and says how to cancel
