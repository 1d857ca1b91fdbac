"""Lists what is in the two images, as CycloneDX 1.5, with cargo-cyclonedx: https://cyclonedx.org.

    sbom.py --tool target/tools/bin/cargo-cyclonedx --out target/images

`OUT/collector.cdx.json` and `OUT/filter.cdx.json`. Cargo resolves features for the whole workspace, so a
crate that only another program here needs may be listed too; none that is linked is left out, which is
checked here against `cargo tree`. Added to what Cargo knows: Rust's standard library and, in the collector,
the C library that is linked statically. Equal sources give equal lists: the time is that of the last commit.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WASM = "wasm32-wasip1"
# What the tool leaves beside every Cargo.toml of the workspace, until it is moved.
LEFT = "sbom-of-this-crate"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tool", "out"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    rustc = dict(line.split(": ", 1) for line in said("rustc", "-vV").splitlines() if ": " in line)
    std = component("rust-std", rustc["release"], "MIT OR Apache-2.0")
    libc, libc_version = said("getconf", "GNU_LIBC_VERSION").split()
    images = [
        ("collector", "twintap", rustc["host"], [std, component(libc, libc_version, "LGPL-2.1-or-later")]),
        ("filter", "twintap-filter", WASM, [std]),
    ]
    for folder, package, target, besides in images:
        listed = described(arguments.tool, folder, target)
        names = {f"{one['name']} v{one['version']}" for one in listed["components"]}
        missing = linked(package, target) - names
        if missing:
            sys.exit(f"{folder}: the list lacks {', '.join(sorted(missing))}")
        listed["components"] += besides
        path = out / f"{folder}.cdx.json"
        path.write_text(json.dumps(listed, indent=1).replace(f"file://{ROOT}", "file:///twintap") + "\n")
        print(f"{path}: {len(listed['components'])} components")


def described(tool: str, folder: str, target: str) -> dict:
    """What the tool says of one crate; it writes next to all of them, whatever it is asked."""
    options = ["--format", "json", "--spec-version", "1.5", "--no-build-deps", "--override-filename", LEFT]
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or said("git", "log", "-1", "--format=%ct").strip()
    try:
        subprocess.run(
            [pathlib.Path(tool).absolute(), "cyclonedx", "--quiet", *options, "--target", target],
            cwd=ROOT, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        )
        return json.loads((ROOT / folder / f"{LEFT}.json").read_text())
    finally:
        for manifest in json.loads(said("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))["packages"]:
            pathlib.Path(manifest["manifest_path"]).with_name(f"{LEFT}.json").unlink(missing_ok=True)


def linked(package: str, target: str) -> set[str]:
    """Crates in the program, as Cargo resolves them for it alone; macros are linked into none."""
    options = ["--locked", "--edges", "normal,no-proc-macro", "--target", target, "--prefix", "none", "--format", "{p}"]
    lines = said("cargo", "tree", "--package", package, *options).splitlines()
    return {" ".join(line.split()[:2]) for line in lines[1:] if line.strip()}


def component(name: str, version: str, licence: str) -> dict:
    return {"type": "library", "name": name, "version": version, "licenses": [{"expression": licence}]}


def said(*argv: str) -> str:
    return subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
