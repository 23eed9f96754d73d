"""Image archives for tests of `box import`: layers, OCI layouts and what `docker save` writes, right ones and wrong ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def entry(name: str, contents: bytes = b"", **attributes) -> tuple[tarfile.TarInfo, bytes]:
    """A member of an archive; `type`, `linkname`, `mode` and others as of TarInfo."""
    info = tarfile.TarInfo(name)
    info.size = len(contents)
    info.mode = 0o755
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, contents


def link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=to)


def tar(entries: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, contents in entries:
            archive.addfile(info, io.BytesIO(contents))
    return out.getvalue()


def programs(*paths: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [entry("bin", type=tarfile.DIRTYPE), *(entry(f"bin/{path.name}", path.read_bytes()) for path in paths)]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _config(layers: list[bytes], run: Mapping) -> bytes:
    return json.dumps({"architecture": "amd64", "os": "linux", "config": dict(run),
                       "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}" for layer in layers]}}).encode()


def oci(layers: list[bytes], *, name: str = "example:1", packed: bool = True, **run) -> bytes:
    """An OCI image layout; `run` is the configuration's Cmd, Env and others."""
    config = _config(layers, run)
    blobs = [gzip.compress(layer, mtime=0) if packed else layer for layer in layers]
    kind = "application/vnd.oci.image.layer.v1.tar" + "+gzip" * packed
    manifest = json.dumps({"schemaVersion": 2, "config": _reference(config, "application/vnd.oci.image.config.v1+json"),
                           "layers": [_reference(blob, kind) for blob in blobs]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{**_reference(manifest, "application/vnd.oci.image.manifest.v1+json"),
                                                           "annotations": {"org.opencontainers.image.ref.name": name}}]}).encode()
    return tar([entry("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), entry("index.json", index),
                *(entry(f"blobs/sha256/{digest(blob)}", blob) for blob in (manifest, config, *blobs))])


def _reference(blob: bytes, kind: str) -> dict:
    return {"mediaType": kind, "digest": f"sha256:{digest(blob)}", "size": len(blob)}


def docker(layers: list[bytes], *, name: str = "example:1", **run) -> bytes:
    """What `docker save` wrote before it wrote OCI layouts."""
    config = _config(layers, run)
    names = [f"{number:064x}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": f"{digest(config)}.json", "RepoTags": [name], "Layers": names}]).encode()
    return tar([entry(f"{digest(config)}.json", config), *(entry(*pair) for pair in zip(names, layers)), entry("manifest.json", manifest)])
