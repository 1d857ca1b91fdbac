"""Makes the two images as OCI layouts, and prints their digests. Needs Python only.

    images.py --wasm twintap_filter.wasm --collector twintap --version 0.1.0 --out target/images

`OUT/filter` is what the Istio agent takes: an image whose only layer has `plugin.wasm`. `OUT/collector`
has the program alone, so it must be linked statically. `OUT/digests.json` has what YAML pins: of the images,
and of what is in them. To push:

    skopeo copy oci:target/images/filter:0.1.0 docker://REGISTRY/filter:0.1.0
"""

import argparse
import hashlib
import json
import pathlib
import sys

import oci

# The user of istio/base/collector/statefulset.yaml.
USER = 65532
ELF = b"\x7fELF"
WASM = b"\0asm"
# `e_machine` of an ELF header, as OCI spells it. A module has no machine, but an image must name one.
MACHINES = {62: "amd64", 183: "arm64"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("wasm", "collector", "version", "out"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    module = read(arguments.wasm, WASM)
    program = read(arguments.collector, ELF)
    if b"ld-linux" in program[:4096]:
        sys.exit(f"{arguments.collector} is linked dynamically; in an image of its own it cannot start")
    out = pathlib.Path(arguments.out)
    digests = {
        "version": arguments.version,
        "filter": oci.write(out / "filter", arguments.version, "amd64", {}, [
            oci.Entry("plugin.wasm", module, 0o644),
        ], False),
        "collector": oci.write(out / "collector", arguments.version, machine(program), collector(), [
            oci.Entry("data", None, 0o755, USER),
            oci.Entry("twintap", program, 0o755),
        ], True),
        "wasm": f"sha256:{hashlib.sha256(module).hexdigest()}",
        "twintap": f"sha256:{hashlib.sha256(program).hexdigest()}",
    }
    (out / "digests.json").write_text(json.dumps(digests, indent=2) + "\n")
    for name, digest in digests.items():
        print(f"{name:10} {digest}")


def machine(program: bytes) -> str:
    number = int.from_bytes(program[18:20], "little")
    return MACHINES.get(number) or sys.exit(f"the collector is built for a machine with the ELF number {number}")


def collector() -> dict:
    return {"config": {
        "Entrypoint": ["/twintap"],
        "User": f"{USER}:{USER}",
        "WorkingDir": "/data",
        "ExposedPorts": {"9090/tcp": {}},
        "Labels": {"org.opencontainers.image.licenses": "Apache-2.0"},
    }}


def read(path: str, magic: bytes) -> bytes:
    content = pathlib.Path(path).read_bytes()
    if not content.startswith(magic):
        sys.exit(f"{path} is not what it should be: it begins with {content[:4]!r}")
    return content


if __name__ == "__main__":
    main()
