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


def run(arguments, variables=()):
    """Runs it on this terminal, with more in its environment; returns its exit code."""
    return wait(start(arguments, variables))


def start(arguments, variables=(), **options):
    sys.stdout.flush()
    return subprocess.Popen(command() + arguments, env=dict(environment(), **dict(variables)), **options)


def wait(process):
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the program has heard it too: it detaches and says how to cancel


class Question:
    """What it says as JSON. It starts here, and works while its answer is not wanted yet."""

    def __init__(self, arguments):
        self._process = start(arguments, stdout=subprocess.PIPE)

    def answer(self):
        return json.loads(self._said())

    def answers(self):
        """Of a command that says one object a line."""
        return [json.loads(line) for line in self._said().splitlines()]

    def _said(self):
        """Ends this command where the program fails."""
        said, _ = self._process.communicate()
        if self._process.returncode:
            sys.exit(self._process.returncode)
        return said.decode()


class Errand:
    """A command that starts and connects while what it is to work on is made here.

    answer: the option that names a file for what it finds out meanwhile, a line of JSON; see answer()
    """

    def __init__(self, command, options, answer=None):
        reading, self._writing = os.pipe()
        theirs = [reading]
        if answer:
            said, saying = os.pipe()
            self._said = open(said)
            theirs.append(saying)
            options = options + ["%s=/dev/fd/%d" % (answer, saying)]
        self._process = start(command + ["/dev/fd/%d" % reading] + options, pass_fds=theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self._given = False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if not self._given:  # half of it would be taken for broken
            self._process.kill()
            self._process.wait()
            os.close(self._writing)

    def answer(self):
        """Waits for it. Ends this command where the program fails."""
        with self._said:
            line = self._said.readline()
        if not line:
            self._given = True
            os.close(self._writing)
            sys.exit(wait(self._process))
        return json.loads(line)

    def carry_out(self, made):
        """Returns the exit code."""
        self._given = True
        try:
            with open(self._writing, "w") as out:
                json.dump(made, out)
        except BrokenPipeError:
            pass  # it has ended, and has said why
        return wait(self._process)
