"""Builds one node of a concrete DAG, inside the sandbox, under the Spack that came with it.

    spack python driver.py ORDER.json

ORDER.json: spec (file), hash, prefix, register (DAG hashes, dependencies first), push (directory), status (file),
jobs. The status file tells the executor how far things went: a word (started, input, recipe, infrastructure, built), a
newline, a sentence.
"""

import json
import os
import sys
import traceback

import spack.spec
import spack.store
from spack.main import SpackCommand


def run(order, status):
    root = spack.spec.Spec.from_json(read(order["spec"]))
    by_hash = {}
    for spec in root.traverse():
        by_hash.setdefault(spec.dag_hash(), spec)
    node = by_hash.get(order["hash"])
    if node is None:
        return status("input", "the spec document does not hold the node %s" % order["hash"])

    try:
        content_hash = node.package.content_hash()
    except Exception as e:
        traceback.print_exc()
        return status("input", "the recipe of %s cannot be loaded: %s" % (node.name, e))
    if content_hash != node._package_hash:
        return status(
            "input",
            "the recipe of %s gives the package hash %s, the spec was made with %s"
            % (node.name, content_hash, node._package_hash),
        )
    if str(node.prefix) != order["prefix"]:
        return status(
            "input", "this Spack would install %s in %s, the farm in %s" % (node.name, node.prefix, order["prefix"])
        )

    db = spack.store.STORE.db
    with db.write_transaction():
        for dag_hash in order["register"]:
            if dag_hash not in by_hash:
                return status("input", "the spec document does not hold the dependency %s" % dag_hash)
            dependency = by_hash[dag_hash]
            if not dependency.external and not os.path.isdir(str(dependency.prefix)):
                return status("infrastructure", "%s is not in place at %s" % (dependency.name, dependency.prefix))
            db.add(dependency, explicit=False)

    install = SpackCommand("install")
    # Newer cores write as they go only with capture=False; older ones ignore it and echo as they go.
    install(
        "--verbose", "--only=package", "--no-cache", "--no-check-signature", "-j%d" % order["jobs"], order["spec"],
        capture=False, fail_on_error=False,
    )
    sys.stdout.flush()
    if not db.query_local(hashes=[order["hash"]]):
        return status("recipe", "")

    # Without --private, what may not be redistributed would be left out without a word.
    SpackCommand("buildcache")(
        "push", "--private", "--unsigned", "--only=package", "file://" + order["push"], "/" + order["hash"]
    )
    return status("built", "")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def main():
    order = json.loads(read(sys.argv[1]))

    words = []

    def status(word, sentence):
        words.append(word)
        with open(order["status"], "w", encoding="utf-8") as f:
            f.write("%s\n%s\n" % (word, sentence))

    status("started", "")
    try:
        run(order, status)
    except Exception as e:
        traceback.print_exc()
        status("infrastructure", "%s: %s" % (type(e).__name__, e))
    sys.stdout.flush()
    sys.stderr.flush()
    return 0 if words[-1] == "built" else 1


os._exit(main())  # all is written; to take Spack's modules apart one by one would only take time
