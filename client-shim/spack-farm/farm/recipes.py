"""The recipes that a DAG needs: which directories of which repos."""

import os
import re

import spack.repo

#: The module of every import statement, wherever it stands; names in brackets after it do not matter.
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\w*)|import[ \t]+([\w.]+))", re.MULTILINE)


def recipe_directories(nodes):
    """Where each directory or file goes in the tree of recipes, by path in that tree.

    Each package's directory whole, those of externals too, because recipes ask them for their compilers and libraries; those of packages
    that a recipe imports; and of every repo that is touched, all that is no package: repo.yaml, build systems. What is merely loaded does
    not count: a solver loads far more than a DAG holds, and then the same DAG would bring other recipes each time.
    """
    collected = Collected()
    for node in nodes:
        collected.add(spack.repo.PATH.repo_for_pkg(node.fullname if node.namespace else node.name), node.name)
    return collected.entries


class Collected:
    def __init__(self):
        self.entries = {}
        self._repos = {repo.namespace: repo for repo in spack.repo.PATH.repos}
        self._touched = set()

    def add(self, repo, name):
        self._touch(repo)
        self._package(repo, os.path.dirname(repo.filename_for_package_name(name)))

    def _package(self, repo, directory):
        path = os.path.join(tree_path(repo), os.path.relpath(directory, repo.root))
        if path not in self.entries and os.path.isdir(directory):
            self.entries[path] = directory
            self._follow(repo, directory)

    def _touch(self, repo):
        """Takes what is no package."""
        if repo.namespace in self._touched:
            return
        self._touched.add(repo.namespace)
        for name in sorted(os.listdir(repo.root)):
            path = os.path.join(repo.root, name)
            if path != repo.packages_path and not name.startswith(".") and name != "__pycache__":
                self.entries.setdefault(os.path.join(tree_path(repo), name), path)

    def _follow(self, repo, directory):
        for name in sorted(os.listdir(directory)):
            if name.endswith(".py"):
                with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as source:
                    for found in IMPORT.finditer(source.read()):
                        module, imported, plain = found.groups()
                        self._imported(repo, plain or module, imported or "")

    def _imported(self, repo, module, imported):
        """Adds what `from <module> import <imported>` in a package's directory means."""
        if module.startswith("."):
            up = len(module) - len(module.lstrip("."))
            rest = [part for part in module.lstrip(".").split(".") if part]
            if up == 1:
                return  # of its own directory, which is there whole
            base = ["packages"] if up == 2 else []
            return self._part_of(repo, base + rest + [imported])
        for namespace, other in self._repos.items():
            for prefix in ("spack_repo." + namespace, "spack.pkg." + namespace):
                if module == prefix or module.startswith(prefix + "."):
                    parts = [part for part in module[len(prefix) :].split(".") if part] + [imported]
                    legacy = prefix.startswith("spack.pkg.")
                    return self._part_of(other, ["packages"] + parts if legacy else parts)

    def _part_of(self, repo, parts):
        self._touch(repo)
        if len(parts) > 1 and parts[0] == "packages" and parts[1]:
            self._package(repo, os.path.join(repo.packages_path, parts[1]))


def tree_path(repo):
    return repo.namespace.replace(".", "/")
