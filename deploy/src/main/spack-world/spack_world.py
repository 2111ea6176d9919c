#!/usr/bin/env python3
"""A small Spack world below DIR that needs no network, and in which solving takes a second or two.

Writes a repo `fl` of small C packages with their sources, and a private configuration for the Spack at SPACK_ROOT; `. DIR/env.sh`
switches to it. Nothing outside DIR is written. The demo and the end-to-end tests build these packages:

    fl-core <- fl-left (cmake), fl-right (configure) <- fl-top;  fl-core, fl-right <- fl-app;  fl-core, fl-top <- fl-tools
    fl-suite: all of them.  fl-top+shout: with a patch.  fl-slow nap=N: sleeps N seconds (20).  fl-broken: does not compile.
    fl-rogue deed=hang|eat|fill|fork: a build that never ends, takes all memory, fills the disk, forks without end.

Of Spack's own packages it holds only those that these need, unless told otherwise. compiler-wrapper, which every compiled package
needs, must be in Spack's own source cache or reachable.
"""
import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile

#: Host tools that become externals.
TOOLS = "gmake cmake perl pkgconf diffutils tar python gzip findutils sed gawk m4 bison".split()

#: What else of Spack's packages the solver asks for.
NEEDED = TOOLS + "gcc gcc_runtime glibc musl compiler_wrapper gnuconfig ninja".split()

#: A package of whose variants a recipe speaks, in a string of the recipe: the solver looks it up, even where nothing depends on it.
SPOKEN_OF = re.compile(r"(?:^|[\s^])([a-z0-9][\w-]*)(?:@[\w.:,=-]*)? ?\w*[+~=]")
STRING = re.compile(r'"([^"\n]*)"')

LIBRARY, PROGRAM = "library", "program"
VERSION = "1.0"

RECIPE = '''\
from spack_repo.builtin.build_systems.{system} import {base}

from spack.package import *


class {cls}({base}):
    """{doc}"""

    homepage = "https://thresher.invalid/{name}"
    url = "https://thresher.invalid/{name}-1.0.tar.gz"

    version("1.0", sha256="{sha256}")

    depends_on("c", type="build")
{directives}{install}'''

MAKE_INSTALL = '''
    def install(self, spec, prefix):
        make("install", f"PREFIX={prefix}")
'''

BUNDLE = '''\
from spack_repo.builtin.build_systems.bundle import BundlePackage

from spack.package import *


class FlSuite(BundlePackage):
    """Everything of this repo that builds."""

    homepage = "https://thresher.invalid/"

    version("1.0")

    depends_on("fl-top")
    depends_on("fl-app")
    depends_on("fl-tools")
'''

#: The value of a variant reaches the Makefile.
MAKE_WITH = '''
    variant("{variant}", default="{default}", values=lambda value: True, description="{help}")

    def build(self, spec, prefix):
        make(f"{upper}={{spec.variants['{variant}'].value}}")

    def install(self, spec, prefix):
        make("install", f"PREFIX={{prefix}}")
'''

ROGUE = """\
rogue: $(DEED)
hang:
\tsleep 86399
eat:
\tpython3 -c 'import time; held = [bytearray(b"x" * (1 << 26)) for _ in range(1 << 14)]'
fill:
\tdd if=/dev/zero of=filler bs=1M count=1000000
fork:
\tsh -c 'deed() { deed | deed & }; deed; sleep 86399'
install:
"""

SHOUT = """\
--- a/main.c
+++ b/main.c
@@ -1,2 +1,3 @@
 #include <stdio.h>
+#define GREETING "LOUD"
 #ifndef GREETING
"""


def c_name(package):
    return package.replace("-", "_")


def library_source(name, uses):
    terms = " + ".join([f"{c_name(u)}(n)" for u in uses] or ["n"])
    includes = "".join(f'#include "{u}.h"\n' for u in uses)
    return {
        f"{name}.h": f"int {c_name(name)}(int n);\n",
        f"{name}.c": f'{includes}#include "{name}.h"\nint {c_name(name)}(int n)\n{{\n    return 1 + {terms};\n}}\n',
    }


def program_source(name, uses):
    terms = " + ".join(f"{c_name(u)}(1)" for u in uses) or "0"
    includes = "".join(f'#include "{u}.h"\n' for u in uses)
    return {
        "main.c": "#include <stdio.h>\n#ifndef GREETING\n#define GREETING \"quiet\"\n#endif\n"
        + includes
        + f'int main(void)\n{{\n    printf("{name} %d %s\\n", {terms}, GREETING);\n    return 0;\n}}\n'
    }


def makefile(name, kind, uses, before=""):
    libs = " ".join(f"-l{u}" for u in uses)
    if kind == LIBRARY:
        return (
            f"PREFIX = /usr/local\nlib{name}.so: {name}.c\n"
            f"\t$(CC) $(CFLAGS) -shared -fPIC -Wl,-soname,lib{name}.so -o $@ $< $(LDFLAGS) {libs}\n"
            f"install: lib{name}.so\n\tinstall -D -t $(PREFIX)/lib lib{name}.so\n"
            f"\tinstall -D -m 644 -t $(PREFIX)/include {name}.h\n"
        )
    return (
        f"PREFIX = /usr/local\n{name}: main.c\n{before}\t$(CC) $(CFLAGS) -o $@ $< $(LDFLAGS) {libs}\n"
        f"install: {name}\n\tinstall -D -t $(PREFIX)/bin {name}\n"
    )


def cmake_lists(name, uses):
    find = "".join(f"find_library(LIB_{c_name(u)} {u} REQUIRED)\nfind_path(INC_{c_name(u)} {u}.h REQUIRED)\n" for u in uses)
    link = " ".join(f"${{LIB_{c_name(u)}}}" for u in uses)
    incs = " ".join(f"${{INC_{c_name(u)}}}" for u in uses)
    return (
        f"cmake_minimum_required(VERSION 3.10)\nproject({c_name(name)} C)\n{find}add_library({name} SHARED {name}.c)\n"
        f"target_include_directories({name} PRIVATE {incs})\ntarget_link_libraries({name} {link})\n"
        f"install(TARGETS {name} LIBRARY DESTINATION lib)\ninstall(FILES {name}.h DESTINATION include)\n"
    )


CONFIGURE = """\
#!/bin/sh
prefix=/usr/local
for option; do
    case $option in --prefix=*) prefix=${option#--prefix=} ;; esac
done
sleep 1
sed "s|^PREFIX = .*|PREFIX = $prefix|" Makefile.in > Makefile
"""


class World:
    def __init__(self, top):
        self.repo = os.path.join(top, "repos", "spack_repo", "fl")
        self.sources = os.path.join(top, "sources")

    def archive(self, name, files, executable=()):
        """A tar.gz whose bytes depend on its content only."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as out:
            for path in sorted(files):
                data = files[path].encode()
                entry = tarfile.TarInfo(f"{name}-{VERSION}/{path}")
                entry.size, entry.mtime = len(data), 1000000000
                entry.mode = 0o755 if path in executable else 0o644
                out.addfile(entry, io.BytesIO(data))
        zipped = io.BytesIO()
        with gzip.GzipFile(fileobj=zipped, mode="wb", mtime=0, filename="") as out:
            out.write(tar.getvalue())
        sha256 = hashlib.sha256(zipped.getvalue()).hexdigest()
        directory = os.path.join(self.sources, "_source-cache", "archive", sha256[:2])
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, sha256 + ".tar.gz"), "wb") as out:
            out.write(zipped.getvalue())
        return sha256

    def write(self, path, text):
        path = os.path.join(self.repo, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)

    def package(self, name, doc, files, directives="", system="makefile", executable=(), install=MAKE_INSTALL):
        base = {"makefile": "MakefilePackage", "cmake": "CMakePackage", "autotools": "AutotoolsPackage"}[system]
        cls = "".join(part.capitalize() for part in name.split("-"))
        sha256 = self.archive(name, files, executable)
        install = install if system == "makefile" else ""
        self.write(
            f"packages/{c_name(name)}/package.py",
            RECIPE.format(
                name=name, cls=cls, doc=doc, base=base, system=system, sha256=sha256, directives=directives, install=install
            ),
        )

    def populate(self):
        def on(*names, **kw):
            return "".join(f'    depends_on("{n}"{"".join(f", {k}={v!r}" for k, v in kw.items())})\n' for n in names)

        self.write("repo.yaml", "repo:\n  namespace: fl\n  api: v2.2\n")
        self.package(
            "fl-core", "The library below all others.", {**library_source("fl-core", []), "Makefile": makefile("fl-core", LIBRARY, [])}
        )
        self.package(
            "fl-left",
            "A library built with CMake.",
            {**library_source("fl-left", ["fl-core"]), "CMakeLists.txt": cmake_lists("fl-left", ["fl-core"])},
            on("fl-core"),
            "cmake",
        )
        self.package(
            "fl-right",
            "A library built with a configure script.",
            {
                **library_source("fl-right", ["fl-core"]),
                "Makefile.in": makefile("fl-right", LIBRARY, ["fl-core"]),
                "configure": CONFIGURE,
            },
            on("fl-core"),
            "autotools",
            ("configure",),
        )
        shout = (
            '    depends_on("fl-left")\n    depends_on("fl-right")\n\n'
            '    variant("shout", default=False, description="Greet loudly")\n    patch("shout.patch", when="+shout")\n'
        )
        top = ["fl-left", "fl-right"]
        self.package(
            "fl-top",
            "A program that uses both libraries.",
            {**program_source("fl-top", top), "Makefile": makefile("fl-top", PROGRAM, top)},
            shout,
        )
        self.write("packages/fl_top/shout.patch", SHOUT)
        app = ["fl-right", "fl-core"]
        self.package(
            "fl-app", "Another program.", {**program_source("fl-app", app), "Makefile": makefile("fl-app", PROGRAM, app)}, on(*app)
        )
        self.package(
            "fl-tools",
            "A program that runs another one.",
            {**program_source("fl-tools", ["fl-core"]), "Makefile": makefile("fl-tools", PROGRAM, ["fl-core"])},
            on("fl-core") + on("fl-top", type=("build", "run")),
        )
        self.package(
            "fl-slow",
            "Sleeps while it builds.",
            {
                **program_source("fl-slow", ["fl-core"]),
                "Makefile": makefile("fl-slow", PROGRAM, ["fl-core"], "\tsleep $(NAP)\n"),
            },
            on("fl-core"),
            install=MAKE_WITH.format(variant="nap", upper="NAP", default="20", help="Seconds that the build sleeps"),
        )
        self.package(
            "fl-rogue",
            "Misbehaves while it builds.",
            {"Makefile": ROGUE},
            install=MAKE_WITH.format(variant="deed", upper="DEED", default="hang", help="What the build does"),
        )
        self.package(
            "fl-broken",
            "Does not compile.",
            {"main.c": "int main(void) { return undeclared; }\n", "Makefile": makefile("fl-broken", PROGRAM, [])},
            on("fl-core"),
        )
        self.write("packages/fl_suite/package.py", BUNDLE)


def small_copy(builtin, top):
    """A repo with those packages of `builtin` alone that the solver looks at; all 8,000 cost it many seconds."""
    copy = os.path.join(top, "repos", "spack_repo", "builtin")
    os.makedirs(copy)
    for name in os.listdir(builtin):
        if name != "packages" and not name.startswith((".", "__pycache__")):
            path = os.path.join(builtin, name)
            (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, os.path.join(copy, name))
    queue, seen = list(NEEDED), set()
    while queue:
        package = queue.pop()
        recipe = os.path.join(builtin, "packages", package, "package.py")
        if package in seen or not os.path.isfile(recipe):
            continue
        seen.add(package)
        shutil.copytree(os.path.dirname(recipe), os.path.join(copy, "packages", package), ignore=shutil.ignore_patterns("__pycache__"))
        with open(recipe, encoding="utf-8") as text:
            for string in STRING.findall(text.read()):
                queue += [name.replace("-", "_") for name in SPOKEN_OF.findall(string)]
    return copy


def bootstrap_root(spack_root, python):
    """Where this user's Spack keeps the solver that it has fetched: it need not do so again.

    Empty where Python has a solver of its own; several releases of Spack do not share that place well.
    """
    if subprocess.run([python, "-c", "import clingo"], stderr=subprocess.DEVNULL).returncode == 0:
        return ""
    said = subprocess.run([os.path.join(spack_root, "bin", "spack"), "bootstrap", "root"], stdout=subprocess.PIPE, check=True)
    return "  root: %s\n" % said.stdout.decode().strip()


def configure(top, spack_root, builtin):
    python = os.environ.get("SPACK_PYTHON") or shutil.which("python3")
    config = os.path.join(top, "config")
    for directory in ("config", "system", "user-cache", "stage", "misc"):
        os.makedirs(os.path.join(top, directory), exist_ok=True)
    os.makedirs(os.path.join(top, "gpg"), mode=0o700, exist_ok=True)
    files = {
        "repos.yaml": f"repos:\n  fl: {top}/repos/spack_repo/fl\n" + (f"  builtin: {builtin}\n" if builtin else ""),
        "mirrors.yaml": f'mirrors::\n  fl:\n    url: "file://{top}/sources"\n    source: true\n    binary: false\n',
        "bootstrap.yaml": "bootstrap:\n  enable: true\n" + bootstrap_root(spack_root, python) + ("  sources: []\n" if builtin else ""),
        "concretizer.yaml": "concretizer:\n  reuse: false\n  targets:\n    granularity: generic\n",
        "config.yaml": f"config:\n  install_tree:\n    root: {top}/store\n  build_stage: [{top}/stage]\n  misc_cache: {top}/misc\n"
        "  build_jobs: 2\n  connect_timeout: 5\n",
    }
    for name, text in files.items():
        with open(os.path.join(config, name), "w") as out:
            out.write(text)
    env = {
        "SPACK_ROOT": spack_root,
        "SPACK_PYTHON": python,
        "SPACK_USER_CONFIG_PATH": config,
        "SPACK_SYSTEM_CONFIG_PATH": os.path.join(top, "system"),
        "SPACK_USER_CACHE_PATH": os.path.join(top, "user-cache"),
        "SPACK_GNUPGHOME": os.path.join(top, "gpg"),
    }
    with open(os.path.join(top, "env.sh"), "w") as out:
        out.writelines(f"export {k}='{v}'\n" for k, v in env.items())
        out.write(f"export PATH='{spack_root}/bin':\"$PATH\"\n")
    spack = [os.path.join(spack_root, "bin", "spack")]
    for arguments in (["compiler", "find"], ["external", "find", "--not-buildable", *TOOLS]):
        # Only what an executor would find too: no tools out of somebody's home.
        run = subprocess.run(spack + arguments, env={**os.environ, **env, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode:
            sys.exit(f"spack {' '.join(arguments)} failed:\n" + run.stdout.decode(errors="replace"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", metavar="DIR")
    parser.add_argument("spack_root", metavar="SPACK_ROOT")
    parser.add_argument("builtin", metavar="BUILTIN_REPO", nargs="?", help="default: what this Spack has configured, whole")
    parser.add_argument("--whole", action="store_true", help="use all of BUILTIN_REPO")
    args = parser.parse_args()
    top, builtin = os.path.abspath(args.dir), args.builtin and os.path.abspath(args.builtin)
    World(top).populate()
    configure(top, os.path.abspath(args.spack_root), builtin if args.whole or not builtin else small_copy(builtin, top))


if __name__ == "__main__":
    main()
