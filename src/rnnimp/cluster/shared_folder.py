"""The check whether only this machine sees a folder, as far as this machine can know."""

from __future__ import annotations

from pathlib import Path

SECONDS_FOR_LATE_FILES = 60
"""How long a shared file system may take to show a file that another machine wrote."""

_NFS = {"nfs", "nfs4"}
_PARALLEL = {"lustre", "gpfs", "beegfs", "ceph", "panfs", "pvfs2", "orangefs", "glusterfs", "wekafs", "gfs2", "ocfs2"}
_OTHER = {"cifs", "smb3", "smbfs", "afs", "9p", "virtiofs"}


def local_file_system(folder: Path, mounts: Path = Path("/proc/mounts"), exports: Path | None = None) -> str | None:
    """The kind of a folder's file system if other machines do not see it; None if they may see it.

    Network file systems are shared, `fuse` ones may be, and so is what this machine exports over NFS.

    Args:
        folder: The folder, which need not exist yet.
        mounts: The kernel's list of mounts.
        exports: The list of what the NFS server here exports.
    """
    path = folder.resolve()
    exported = _first_words(Path("/var/lib/nfs/etab") if exports is None else exports, column=0)
    if any(path.is_relative_to(place) for place in exported if place.startswith("/")):
        return None
    kinds = zip(_first_words(mounts, column=1), _first_words(mounts, column=2), strict=True)
    holding = [(place, kind) for place, kind in kinds if path.is_relative_to(place)]
    if not holding:
        return None
    # the longest path has the folder; of two mounts at one place the later one hides the other
    kind = max(enumerate(holding), key=lambda item: (len(item[1][0]), item[0]))[1][1]
    return None if kind in _NFS | _PARALLEL | _OTHER or kind.startswith("fuse") else kind


def _first_words(table: Path, column: int) -> list[str]:
    """A column of a table; blanks in names stand as octal numbers."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return []
    return [line.split()[column].replace("\\040", " ") for line in lines if len(line.split()) > column]
