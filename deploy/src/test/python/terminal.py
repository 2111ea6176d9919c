#!/usr/bin/env python3
"""terminal.py TEXT COMMAND...: runs COMMAND on a terminal of its own and prints what it shows; when that has held TEXT, types Ctrl-C once.

Ends with the command's exit code. An empty TEXT is never typed on.
"""
import os
import pty
import signal
import sys

text, command = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in what a shell has started in the background
    os.execvp(command[0], command)
shown, typed = b"", not text
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # what Linux says when the last one has closed it
        break
    if not piece:
        break
    os.write(1, piece)
    shown += piece
    if not typed and text in shown:
        os.write(terminal, b"\x03")
        typed = True
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
