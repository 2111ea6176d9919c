"""What Spack would fetch for a node, and where a source mirror keeps it."""

import hashlib
import os
import re
import shutil
import urllib.parse

import spack.fetch_strategy

from spack.extensions.farm.compat import tty

FETCHED_BY_THE_FARM = ("http", "https", "ftp")


class Sources:
    """The sources of nodes: fetched by the farm, or here, to be uploaded."""

    def __init__(self, upload, work, there=frozenset()):
        """
        upload: hashes of the nodes whose sources are uploaded; None: the farm fetches them
        there: paths in a source mirror of what the farm is known to have, which is not fetched here
        """
        self._upload = upload
        self._there = there
        self._directory = os.path.join(work, "sources")

    def concern(self, node):
        """Whether the farm is told of this node's. Of what it has built already it needs none, and so the same plan stays the same."""
        return self._upload is None or node.dag_hash() in self._upload

    def of(self, node):
        package = node.package
        if "dev_path" in node.variants:
            return [{"unsupported": "%s is a dev_path spec, whose sources only this machine has" % node.name}]
        if not package.has_code:
            return []
        stages = [s for s in package.stage if not isinstance(s.default_fetcher, spack.fetch_strategy.BundleFetchStrategy)]
        return [self._of_stage(node, stage) for stage in stages]

    def _is_uploaded(self, stage):
        return self._upload is not None and path_of(stage) not in self._there

    def _of_stage(self, node, stage):
        fetcher = stage.default_fetcher
        if isinstance(fetcher, spack.fetch_strategy.URLFetchStrategy):
            return self._of_url(node, stage, fetcher)
        source = {"mirror_path": path_of(stage), "name": name_of(stage)}
        if isinstance(fetcher, spack.fetch_strategy.CvsFetchStrategy):
            source["unsupported"] = "%s comes from %s, and what is from CVS Spack finds in no source mirror" % (described(node), fetcher)
        elif self._is_uploaded(stage):
            file = self._fetched(stage)
            source.update({"file": file, "sha256": sha256_of(file)})
        elif isinstance(fetcher, spack.fetch_strategy.GitFetchStrategy):
            source.update(of_git(node, fetcher))
        else:
            source["unsupported"] = "%s comes from %s, which the farm does not fetch; use --upload-sources" % (described(node), fetcher)
        return source

    def _of_url(self, node, stage, fetcher):
        digest = str(fetcher.digest or "").lower()
        if len(digest) != 64:
            return {"unsupported": "%s has no sha256 for %s" % (described(node), fetcher.url)}
        source = {"sha256": digest, "urls": urls(stage), "mirror_path": stage.mirror_layout.path, "name": name_of(stage)}
        if self._is_uploaded(stage):
            source["file"] = self._fetched(stage)
        elif node.package.manual_download:
            source["unsupported"] = (
                "%s has to be downloaded by hand: put it into a source mirror and use --upload-sources, or give it to the farm with `thresher sources add`"
                % described(node)
            )
        return source

    def _fetched(self, stage):
        """A local file with the stage's archive: from a file mirror or Spack's cache where it is there, else as Spack fetches it."""
        for mirror in stage.mirrors:
            url = mirror.fetch_url
            if url.startswith("file://"):
                path = os.path.join(url[len("file://") :], stage.mirror_layout.path)
                if os.path.isfile(path):
                    return os.path.realpath(path)
        own = not os.path.exists(stage.path)  # a stage of the user's stays as it is
        stage.create()
        try:
            stage.fetch()
            kept = os.path.join(self._directory, stage.mirror_layout.path)
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            archive = stage.archive_file and os.path.realpath(stage.archive_file)
            if archive and not archive.startswith(os.path.realpath(stage.path) + os.sep):
                return archive  # the stage has but a link to it
            if archive:
                (shutil.move if own else shutil.copyfile)(archive, kept)
            elif stage.expanded:  # a checkout
                stage.fetcher.archive(kept)
            else:
                raise spack.fetch_strategy.FailedDownloadError("the source %s was not fetched" % stage.mirror_layout.path)
            return kept
        finally:
            if own:
                stage.destroy()


def of_git(node, fetcher):
    """What the farm makes an archive of: a commit, never a branch, which may be another commit tomorrow."""
    if not fetcher.commit:
        return {
            "unsupported": "%s comes from %s without a commit, so it is not always the same; name one in the spec: %s@git.<40 digits>=%s"
            % (described(node), fetcher, node.name, node.version)
        }
    url = str(fetcher.url)
    if not is_for_the_farm(url) or url.startswith("ftp"):
        return {"unsupported": "%s comes from %s, and the farm fetches repositories by http and https only; use --upload-sources" % (described(node), url)}
    submodules = evaluated(fetcher.submodules, node.package)
    return {
        "git": {
            "url": url,
            "commit": str(fetcher.commit),
            "ref": str(fetcher.tag or fetcher.branch or ""),
            "all_submodules": submodules is True,
            "submodules": [] if submodules is True else listed(submodules),
            "removed_submodules": listed(fetcher.submodules_delete),
            "sparse_paths": listed(evaluated(getattr(fetcher, "git_sparse_paths", None))),
            "full_history": bool(fetcher.get_full_repo),
        }
    }


def evaluated(value, *arguments):
    return value(*arguments) if callable(value) else value


def listed(value):
    return [] if not value else [value] if isinstance(value, str) else sorted(str(one) for one in value)


def path_of(stage):
    """Where a source mirror has it."""
    return os.path.normpath(stage.mirror_layout.path)


def name_of(stage):
    """Where people look for it in a source mirror; None where that is no plain path."""
    alias = os.path.normpath(getattr(stage.mirror_layout, "alias", None) or "")
    return alias if re.match(r"[A-Za-z0-9_+~@=,-][A-Za-z0-9_+~@=,./-]{0,300}$", alias) else None


def sha256_of(file):
    sha256 = hashlib.sha256()
    with open(file, "rb") as read:
        for chunk in iter(lambda: read.read(1 << 20), b""):
            sha256.update(chunk)
    return sha256.hexdigest()


def urls(stage):
    """Where Spack would look: source mirrors of the configuration first, then where the recipe says."""
    found = []
    if stage.mirror_layout:
        found += ["%s/%s" % (mirror.fetch_url.rstrip("/"), stage.mirror_layout.path) for mirror in stage.mirrors]
    found += stage.default_fetcher.candidate_urls
    return [url for url in dict.fromkeys(found) if is_for_the_farm(url)]


def is_for_the_farm(url):
    """The farm is not told names and passwords, with which it would not fetch either."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme in FETCHED_BY_THE_FARM and "@" not in parts.netloc


def described(node):
    return node.format("{name}{@version}")
