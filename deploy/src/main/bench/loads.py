"""Benchmarks of the Remote Execution API: `thresher load` against servers, and what they take for it."""
import os
import re
import subprocess
import sys

from tools import Farm, run

ACTIONS = "no-op actions, 16 at a time"


def load_command(farm, *options):
    environment = farm.environment
    own = ["thresher=" + environment["THRESHER_SERVER"], "--token-file", environment["THRESHER_TOKEN_FILE"]]
    return [os.path.join(farm.program, "bin", "thresher"), "load", *own, *options]


def bench_load(args, scratch):
    farm = Farm(args.program, os.path.join(scratch, "load"), settings=load_settings(args))
    options = ["--rounds", str(args.runs), "--warm", str(args.warm), "--rows", args.rows]
    options += ["--platform=" + asked for asked in args.platform]
    try:
        if subprocess.run(load_command(farm, *options, *args.against)).returncode:
            sys.exit("the load generator failed")
    finally:
        farm.stop()
    if re.search(args.rows, ACTIONS):
        action_costs(args, scratch)


def load_settings(args):
    offered = ", ".join("%s: %s" % tuple(asked.split("=", 1)) for asked in args.platform)
    settings = {"access.client_results": "true", "executor.properties": "{%s}" % offered}
    if args.plain:
        settings.update({"executor.sandbox": "plain", "actions.plain": "[default]"})
    return settings


def action_costs(args, scratch):
    """CPU of each of a new server's first actions, and of as many when it has done some thousand; nothing else was asked of it."""
    farm = Farm(args.program, os.path.join(scratch, "actions"), settings=load_settings(args))

    def thousand(times):
        actions, before = farm.actions(), farm.cpu_apart()
        run(load_command(farm, "--warm", "0", "--rounds", str(5 * times), "--rows", ACTIONS))
        actions, after = farm.actions() - actions, farm.cpu_apart()
        return actions, {kind: (after[kind] - before[kind]) / actions * 1000 for kind in after}

    try:
        young, between, warm = thousand(1), thousand(5), thousand(1)
    finally:
        farm.stop()
    print("CPU for each of %s: the first %d of a server, and %d after %d" % (ACTIONS, young[0], warm[0], young[0] + between[0]))
    for kind in warm[1]:
        print("  %-60s %6.2f ms %6.2f ms" % (kind, young[1][kind], warm[1][kind]))
    print("  %-60s %6.2f ms %6.2f ms" % ("together", sum(young[1].values()), sum(warm[1].values())))


def bench_compare(args, scratch):
    if not args.other:
        sys.exit("compare needs --other DIR, the program to compare with")
    settings = {**load_settings(args), "access.open": "true"}
    programs = {"this": args.program, "other": os.path.abspath(args.other)}
    farms = {name: Farm(program, os.path.join(scratch, "compare-" + name), settings=settings) for name, program in programs.items()}
    servers = ["%s=%s" % (name, farm.environment["THRESHER_SERVER"]) for name, farm in farms.items()]
    load = [os.path.join(args.program, "bin", "thresher"), "load", *servers, "--rows", args.rows, "--warm"]
    try:
        run([*load, str(args.warm), "--rounds", "1"])
        before = {name: farm.cpu_apart() for name, farm in farms.items()}
        print(run([*load, "0", "--rounds", str(args.runs)]).output.rstrip())
        used = {name: {kind: s - before[name][kind] for kind, s in farm.cpu_apart().items()} for name, farm in farms.items()}
    finally:
        for farm in farms.values():
            farm.stop()
    print("CPU of each server, executor included, for %d rounds: this, other, this / other" % args.runs)
    for kind in used["this"]:
        show_pair(kind, used["this"][kind], used["other"][kind])
    show_pair("together", *(sum(kinds.values()) for kinds in used.values()))


def show_pair(what, this, other):
    ratio = "%.2f" % (this / other) if other > 0 else "-"  # of less than a tick of the clock: none
    print("  %-60s %7.2f s %7.2f s %6s" % (what, this, other, ratio))
