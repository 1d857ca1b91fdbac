"""Writes OCI image layouts without a daemon: https://github.com/opencontainers/image-spec.

One manifest, one layer (`tar+gzip`), no index of platforms. Equal input gives equal bytes: times, owners
and order are fixed, and a layer that is not compressed is the same under every zlib.
"""

import dataclasses
import gzip
import hashlib
import io
import json
import pathlib
import struct
import tarfile
import zlib

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# Bytes of a stored deflate block, at most.
STORED_MAX = 65535


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of the image, or a directory where `content` is None."""

    name: str
    content: bytes | None
    mode: int
    owner: int = 0


def write(
    folder: pathlib.Path, tag: str, machine: str, config: dict, entries: list[Entry], compress: bool,
) -> str:
    """Writes the layout; returns the digest of its manifest, `sha256:…`."""
    layer = _tar(entries)
    config = {
        "architecture": machine, "os": "linux", **config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    packed = gzip.compress(layer, 9, mtime=0) if compress else _stored(layer)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    manifest = _json({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _blob(blobs, CONFIG, _json(config)),
        "layers": [_blob(blobs, LAYER, packed)],
    })
    described = _blob(blobs, MANIFEST, manifest)
    described["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [described]}))
    return described["digest"]


def _blob(blobs: pathlib.Path, media_type: str, content: bytes) -> dict:
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _tar(entries: list[Entry]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
            info.type = tarfile.DIRTYPE if entry.content is None else tarfile.REGTYPE
            info.size = len(entry.content or b"")
            archive.addfile(info, io.BytesIO(entry.content or b""))
    return file.getvalue()


def _stored(content: bytes) -> bytes:
    """As gzip, in stored blocks (RFC 1951, 3.2.4)."""
    blocks = []
    for start in range(0, len(content), STORED_MAX):
        part = content[start:start + STORED_MAX]
        is_last = start + STORED_MAX >= len(content)
        blocks.append(struct.pack("<BHH", is_last, len(part), len(part) ^ 0xFFFF) + part)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + b"".join(blocks) + struct.pack("<II", zlib.crc32(content), len(content))


def _json(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
