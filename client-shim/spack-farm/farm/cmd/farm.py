"""The `spack farm` command: hand a concrete DAG to a Thresher farm, install from its mirror.

Spack decides what a DAG is, where recipes lie and what would be fetched; this extension only collects that into a plan, which the
program `thresher` carries out. It needs nothing but Spack and Python's standard library.
"""

import argparse
import json
import os
import shutil
import tempfile

import spack.cmd.common.arguments as common
from spack.extensions.farm import dag, fill, mirror, program
from spack.extensions.farm.compat import tty
from spack.extensions.farm.plan import make_plan, write_plan

description = "build missing specs on a Thresher farm and install them from its mirror"
section = "build"
level = "short"

#: Options of `spack install` that mean nothing on a farm, and what to do instead.
REFUSED = {
    ("-u", "--until"): (1, "the farm builds whole packages; use `spack install --until` here"),
    ("--keep-stage",): (0, "the stage is on an executor; `spack farm logs` shows what happened there"),
    ("--dont-restage",): (0, "every build of the farm starts from a new stage"),
    ("--no-cache",): (0, "packages of the farm come from its mirror; use `spack install --no-cache` to build here"),
    ("--cache-only",): (0, "use `spack farm mirror add` and then `spack install --cache-only`"),
    ("--use-buildcache",): (1, "use `spack farm mirror add` and then `spack install --use-buildcache`"),
    ("--source",): (0, "the farm keeps no source trees; use `spack install --source` here"),
    ("-n", "--no-checksum"): (0, "the farm builds only from sources with a sha256"),
    ("--fake",): (0, "the farm builds for real"),
    ("--dirty",): (0, "builds of the farm see nothing of your shell's environment"),
    ("--test",): (1, "the farm does not run tests of packages; use `spack install --test` here"),
    ("--log-format",): (1, "use --json for progress that a program can read"),
    ("--log-file",): (1, "use --json for progress that a program can read"),
    ("--cdash-upload-url",): (1, "the farm does not report to CDash"),
    ("--help-cdash",): (0, "the farm does not report to CDash"),
}


class Refuse(argparse.Action):
    """An option that people try because `spack install` has it."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.exit(2, "==> Error: %s is no option of `spack farm install`: %s\n" % (option_string, self.const))


def setup_parser(subparser):
    sub = subparser.add_subparsers(metavar="SUBCOMMAND", dest="farm_command")

    setup_install(sub.add_parser("install", help="build on the farm what nobody has built yet, then install it here"))

    status = sub.add_parser("status", help="show the farm's executors and queue, or one request")
    status.add_argument("request", nargs="?", help="id of a request, or the beginning of one")

    requests = sub.add_parser("requests", help="list requests, newest first")
    requests.add_argument("--active", action="store_true", help="only those that have not ended")
    requests.add_argument("-n", "--limit", type=int, default=None, help="at most so many")

    wait = sub.add_parser("wait", help="show a request until it has ended")
    wait.add_argument("-v", "--verbose", action="store_true", help="show the logs of the builds as they run")
    wait.add_argument("request", help="id of a request or the beginning of one, or /hash of a node")

    logs = sub.add_parser("logs", help="print the log of a build")
    logs.add_argument("-f", "--follow", action="store_true", help="go on while the build runs")
    logs.add_argument("--tail", type=int, default=None, metavar="N", help="only the last N lines")
    logs.add_argument("subject", help="an execution, /hash of a node, or a request (all of its builds)")

    cancel = sub.add_parser("cancel", help="cancel requests")
    cancel.add_argument("request", nargs="+", help="id of a request or the beginning of one, or /hash of a node")

    setup_sources(sub.add_parser("sources", help="fill the farm's source mirror with all that Spack would fetch for a DAG"))

    mirrors = sub.add_parser("mirror", help="use the farm's mirror from plain Spack")
    mirror_sub = mirrors.add_subparsers(metavar="SUBCOMMAND", dest="mirror_command")
    add = mirror_sub.add_parser("add", help="add the farm's mirror to Spack's configuration and trust its key")
    add.add_argument("name", nargs="?", default=mirror.NAME)
    add.add_argument("--scope", help="configuration scope to change")
    mirror_sub.add_parser("list", help="show the farm's mirror and its key")
    taking = mirror_sub.add_parser("import", help="take another mirror into the farm", description=mirror.TAKING)
    taking.add_argument("mirror", help="name of a mirror that Spack has configured, a directory, or a URL")
    taking.add_argument("--instance", help="instance of the farm that takes it (default: the farm's first)")
    taking.add_argument("--unsigned", action="store_true", help="leave signatures aside; only for instances that take unsigned specs")
    taking.add_argument("-j", "--jobs", type=int, default=None, metavar="N", help="files of the mirror that are read at a time")
    taking.add_argument("--json", action="store_true", help="one JSON object a line")
    taking.add_argument("--dry-run", action="store_true", help="only list what the mirror has")


def setup_sources(sources):
    sources.add_argument("specs", nargs="*", metavar="SPEC", help="specs, /hashes or spec.json files; none: the active environment")
    sources.add_argument("--upload-sources", action="store_true", help="fetch here what the farm lacks, and upload it: for farms without network")
    sources.add_argument("--dry-run", action="store_true", help="only list what would be brought")
    sources.add_argument("--json", action="store_true", help="one JSON object a line")
    sources.add_argument("--only-concrete", action="store_true", help="(with environment) only what is concretized already")
    sources.set_defaults(add=False, only=None, include_build_deps=False)
    common.add_concretizer_args(sources)


def setup_install(install):
    install.add_argument("specs", nargs="*", metavar="SPEC", help="specs, /hashes or spec.json files; none: the active environment")
    farm_options = install.add_argument_group("farm arguments")
    farm_options.add_argument("--build-only", "--no-install", action="store_true", dest="build_only", help="build on the farm, install nothing here")
    farm_options.add_argument("--detach", action="store_true", help="end as soon as the farm has accepted the request; install nothing here")
    farm_options.add_argument("--retry-failed", action="store_true", help="build again what the farm remembers as broken")
    farm_options.add_argument("--priority", type=int, default=0, metavar="N", help="higher goes first among your own builds (default: 0)")
    farm_options.add_argument("--timeout", type=int, default=0, metavar="MINUTES", help="kill a single build after so long (default: the farm's)")
    farm_options.add_argument("--label", action="append", default=[], metavar="NAME=VALUE", help="build only on executors with this label")
    farm_options.add_argument("--upload-sources", action="store_true", help="fetch sources here and upload them, for farms without network")
    farm_options.add_argument("--json", action="store_true", help="print progress as JSON, with --build-only or --detach")
    farm_options.add_argument("--plan-out", metavar="FILE", help="write the plan to FILE and stop; `thresher build FILE` carries it out")

    install.add_argument("-j", "--jobs", type=int, default=0, help="parallel jobs in each build (default: the executor's)")
    install.add_argument("-p", "--concurrent-packages", type=int, default=None, help="packages installed here at a time")
    install.add_argument("--only", choices=["package", "dependencies"], default=None, help="only the packages or only what they depend on")
    install.add_argument("--fail-fast", action="store_true", help="stop handing out builds after the first failure")
    install.add_argument("-v", "--verbose", action="store_true", dest="farm_verbose", help="show the logs of the builds as they run")
    install.add_argument("-y", "--yes-to-all", action="store_true", help="answer yes to all questions")
    install.add_argument("--overwrite", action="store_true", help="install again from the farm's mirror what is installed here")
    install.add_argument("--keep-prefix", action="store_true", help="don't remove the install prefix if installation fails")
    install.add_argument("--include-build-deps", action="store_true", help="install build dependencies here too")
    install.add_argument("--no-check-signature", action="store_true", help="do not check signatures of binary packages")
    install.add_argument("--show-log-on-error", action="store_true", help="print whole logs of failed builds, not only their ends")
    install.add_argument("--use-cache", "--clean", action="store_true", help=argparse.SUPPRESS)  # always so
    install.add_argument("--only-concrete", action="store_true", help="(with environment) only install already concretized specs")
    adding = install.add_mutually_exclusive_group()
    adding.add_argument("--add", action="store_true", default=False, help="(with environment) add spec to the environment as a root")
    adding.add_argument("--no-add", action="store_false", dest="add", help="(with environment) do not add spec to the environment as a root")
    for names, (values, hint) in REFUSED.items():
        install.add_argument(*names, action=Refuse, nargs=values, const=hint, help=argparse.SUPPRESS)
    common.add_concretizer_args(install)


def farm(parser, args):
    command = args.farm_command
    if command == "install":
        return farm_install(args)
    if command == "sources":
        return fill.fill(args)
    if command == "status":
        return program.run(["status"] + ([args.request] if args.request else []))
    if command == "requests":
        return program.run(["requests"] + (["--active"] if args.active else []) + (["-n", str(args.limit)] if args.limit else []))
    if command == "wait":
        return program.run(["wait"] + (["-v"] if args.verbose else []) + [args.request])
    if command == "logs":
        tail = ["--tail", str(args.tail)] if args.tail is not None else []
        return program.run(["logs"] + (["--follow"] if args.follow else []) + tail + [args.subject])
    if command == "cancel":
        return program.run(["cancel"] + args.request)
    if command == "mirror" and args.mirror_command == "add":
        return mirror.add(args.name, args.scope)
    if command == "mirror" and args.mirror_command == "list":
        return program.run(["mirror", "list"])
    if command == "mirror" and args.mirror_command == "import":
        return mirror.take(args)
    tty.die("spack farm needs a subcommand: install, sources, status, requests, wait, logs, cancel, mirror add, mirror list or mirror import")


def farm_install(args):
    if args.json and not (args.build_only or args.detach):
        tty.die("--json goes with --build-only or --detach: what Spack prints while it installs is no JSON")
    asked = dag.asked_for(args)
    if asked is None:
        return 0
    asked.refuse_what_no_farm_builds()
    if not (args.build_only or args.detach or args.plan_out or args.overwrite) and asked.installed():
        tty.msg("Everything is installed here; the farm is not asked")
        return mirror.install(asked.roots, asked, args)
    if args.plan_out:
        write_plan(asked, args)
        return 0
    work = tempfile.mkdtemp(prefix="spack-farm-")
    try:
        result = os.path.join(work, "result.json")
        ask = "--mirror" if args.upload_sources else None
        with program.Errand(["build"], ["--result", result] + build_options(args), ask) as build:
            code = build.carry_out(make_plan(asked, args, work, build))
        if args.build_only or args.detach or not os.path.exists(result):
            return code
        with open(result) as read:
            ended = json.load(read)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return install_what_was_built(asked, ended, code, args)


def build_options(args):
    options = ["--priority=%d" % args.priority, "--timeout=%d" % args.timeout]
    options += ["--label=" + label for label in args.label]
    flags = ("json", "detach", "show_log_on_error")
    return options + ["--" + flag.replace("_", "-") for flag in flags if getattr(args, flag)]


def install_what_was_built(asked, ended, code, args):
    """Installs each root that the farm has whole. Non-zero if any root is missing."""
    broken = {task["hash"] for task in ended["tasks"] if task["state"] != "succeeded"} if code else set()
    good = [root for root in asked.roots if not broken & asked.needed_here(root)]
    if len(good) < len(asked.roots):
        names = [root.format("{name}{@version}{/hash:7}") for root in asked.roots if root not in good]
        tty.error("not installed, because the farm has not built it all: " + ", ".join(names))
        if not good or args.fail_fast:
            return code or 1
    return mirror.install(good, asked, args, ended["mirror"]) or code
