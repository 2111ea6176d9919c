"""Runs attacks from inside of a sandbox and says how each ended.

    python3 run.py WORLD.json [NAME...]

WORLD.json says what stands outside and must not be reached (host.py makes it), and where shared inputs are inside. Each attack runs in a process of its own
for at most ten seconds. A line for each:

    ATTACK name denied: why      it failed
    ATTACK name ESCAPED: what    it worked
    ATTACK name private: what    it worked, on what must be a copy of the attacker's own: the host looks whether it was

Every attack is bounded in itself, so that a defence that fails shows as a line and not as a dead machine.
"""

import importlib
import json
import os
import signal
import sys

FAMILIES = ["files", "kernel", "privileges", "network", "processes", "shared"]


def inputs(directories):
    """A few files of each directory that builds share."""
    found = []
    for directory in directories:
        mine = []
        for at, names, files in sorted(os.walk(directory)):
            if at.endswith("/attacks"):
                names.clear()
                continue
            paths = [os.path.join(at, name) for name in sorted(files)]
            mine += [p for p in paths if not os.path.islink(p) and os.path.getsize(p) > 10]
            if len(mine) > 2:
                break
        found += mine[:3]
    return found


def attempt(attack, world):
    """Never returns: prints one line and ends the process."""
    signal.alarm(10)
    try:
        found = attack.function(world)
        line = "%s: %s" % ("private" if attack.private else "ESCAPED", found)
    except (OSError, AssertionError, ValueError, OverflowError) as e:
        line = "denied: %s" % (str(e) or type(e).__name__)
    os.write(1, ("ATTACK %s %s\n" % (attack.name, line.replace("\n", " ")[:300])).encode("utf-8", "replace"))
    os._exit(0)


def main():
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.dont_write_bytecode = True
    with open(sys.argv[1], encoding="utf-8") as f:
        world = json.load(f)
    world["inputs"] = inputs(world["shared"])
    os.write(1, ("INPUTS %s\n" % " ".join(world["inputs"])).encode())
    from attack import ATTACKS

    for family in FAMILIES:
        importlib.import_module(family)
    for name in sys.argv[2:] or sorted(ATTACKS):
        pid = os.fork()
        if pid == 0:
            attempt(ATTACKS[name], world)
        status = os.waitpid(pid, 0)[1]
        if status != 0:
            os.write(1, ("ATTACK %s denied: it was killed, wait status %d\n" % (name, status)).encode())
    os.write(1, b"ATTACKS DONE\n")


if __name__ == "__main__":
    main()
