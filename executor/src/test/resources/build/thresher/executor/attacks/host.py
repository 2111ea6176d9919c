"""What stands outside of the sandbox and must not be reached.

    THRESHER_CANARY=... python3 host.py DIRECTORY CANARY

Prints a line of JSON that says where everything is, then a line "HIT what" for each visit, until its input ends.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import sys

directory, canary = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)


def hit(what):
    os.write(1, ("HIT %s\n" % what).encode())


signal.signal(signal.SIGUSR1, lambda *_: hit("signal"))

secret = os.path.join(directory, "secret")
with open(secret, "w", encoding="utf-8") as f:
    f.write(canary)
os.chmod(secret, 0o644)
token = os.path.join(directory, "token")
with open(token, "w", encoding="utf-8") as f:
    f.write(canary)
os.chmod(token, 0o644)

tcp = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix_path = os.path.join(directory, "socket")
unix.bind(unix_path)
os.chmod(unix_path, 0o666)
unix.listen()
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0" + canary)
abstract.listen()

shm_key = 0x7E000000 | (os.getpid() & 0xFFFFFF)
shm = libc.shmget(shm_key, 4096, 0o1000 | 0o666)
posix = "/dev/shm/" + canary
with open(posix, "w", encoding="utf-8") as f:
    f.write(canary)

print(json.dumps({
    "canary": canary, "pid": os.getpid(), "secret": secret, "token": token, "tcp": tcp.getsockname()[1],
    "udp": udp.getsockname()[1], "unix": unix_path, "abstract": canary, "shm_key": shm_key,
}), flush=True)

selector = selectors.DefaultSelector()
for name, thing in (("tcp", tcp), ("unix", unix), ("abstract", abstract), ("udp", udp), ("end", sys.stdin)):
    selector.register(thing, selectors.EVENT_READ, name)
try:
    while True:
        for key, _ in selector.select():
            if key.data == "end":
                sys.exit(0)
            hit(key.data)
            if key.data == "udp":
                udp.sendto(b"hit", udp.recvfrom(100)[1])
            else:
                key.fileobj.accept()[0].close()
finally:
    libc.shmctl(shm, 0, None)
    os.unlink(posix)
