"""Finds and runs the program `thresher`."""

import json
import os
import shutil
import subprocess
import sys

from spack.extensions.farm.compat import tty


def command():
    """The program: named by SPACK_FARM_CLI, beside this extension, or on PATH."""
    named = os.environ.get("SPACK_FARM_CLI")
    if named:
        if not shutil.which(named):
            tty.die("SPACK_FARM_CLI names %s, which is no program" % named)
        return [named]
    here = os.path.dirname(os.path.realpath(__file__))
    for relative in ("../../bin/thresher", "../../../thresher"):
        candidate = os.path.normpath(os.path.join(here, relative))
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return [candidate]
    found = shutil.which("thresher")
    if not found:
        tty.die("the program `thresher` was not found: put it on PATH or set SPACK_FARM_CLI")
    return [found]


def environment():
    """It names commands as the user knows them."""
    return dict(os.environ, THRESHER_COMMAND="spack farm")


def run(arguments):
    """Runs it on this terminal; returns its exit code."""
    sys.stdout.flush()
    process = subprocess.Popen(command() + arguments, env=environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the program has heard it too: it detaches and says how to cancel


def answer(arguments):
    """What it says as JSON; ends this command where it fails."""
    done = subprocess.run(command() + arguments, stdout=subprocess.PIPE, env=environment())
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout.decode())
