"""Copies `istio/` with a registry of yours and the digests of your images. Needs Python only.

    manifests.py --digests target/images/digests.json --registry registry.mycompany.com/twintap --out target/istio

Optional: `--module-url https://…/twintap_filter.wasm`, where `components/code-http` fetches it.

An earlier copy in OUT is replaced; a folder that has anything else, or that somebody changed, is left alone.
"""

import argparse
import hashlib
import json
import pathlib
import re
import shutil
import sys

FOLDER = pathlib.Path(__file__).parents[1]
REGISTRY = "registry.example.com/twintap"
# Says that a folder is a copy of ours, and of what files: `DIGEST  PATH`, as sha256sum writes them.
MARKER = ".twintap-manifests"
URL = "https://downloads.example.com/twintap/{version}/twintap_filter.wasm"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("digests", "registry", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--module-url")
    arguments = parser.parse_args()
    digests = json.loads(pathlib.Path(arguments.digests).read_text())
    out = pathlib.Path(arguments.out)
    if out.exists():
        if not (out / MARKER).exists() and (not out.is_dir() or any(out.iterdir())):
            sys.exit(f"{out} is no earlier copy of the manifests: name a new folder, or remove it")
        if names := changed(out):
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            sys.exit(
                f"{out} has changes that a new copy would delete: {', '.join(names[:5])}{more}. Move the folder away, "
                "make the copy, and take the changes over (Upgrade in istio/README.md)"
            )
        shutil.rmtree(out)
    shutil.copytree(FOLDER, out, ignore=shutil.ignore_patterns("release", "__pycache__"))
    for path in sorted(out.rglob("*.yaml")):
        path.write_text(pinned(path.read_text(), digests, arguments.registry.rstrip("/"), arguments.module_url))
    (out / MARKER).write_text("".join(f"{digest}  {name}\n" for name, digest in digests_in(out).items()))
    print(f"{out}: filter {digests['filter']}, collector {digests['collector']}")


def digests_in(folder: pathlib.Path) -> dict[str, str]:
    """Digests of all files, by name, but for the marker's."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() and path != folder / MARKER)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def changed(copy: pathlib.Path) -> list[str]:
    """Files of an earlier copy that are not as they were written, or that were not written at all."""
    written = (copy / MARKER).read_text().splitlines()
    return [name for name, digest in digests_in(copy).items() if f"{digest}  {name}" not in written]


def pinned(text: str, digests: dict, registry: str, module_url: str | None) -> str:
    """The text of one file with references and digests in place."""
    version = digests["version"]
    hexadecimal = {name: digests[name].removeprefix("sha256:") for name in ("filter", "wasm")}
    module = URL.format(version=version)
    # What is fetched over HTTPS is checked by the module's own digest, an image by its manifest's.
    kind = "wasm" if module in text else "filter"
    text = re.sub(r"( *)# \"nil\": not checked\..*\n", "", text)
    text = text.replace("sha256: nil\n", f"sha256: {hexadecimal[kind]}\n")
    text = re.sub(
        rf"^( *)url: oci://{re.escape(REGISTRY)}/filter:.*\n",
        rf"\g<0>\g<1>sha256: {hexadecimal['filter']}\n", text, flags=re.M,
    )
    text = text.replace(f"{REGISTRY}/collector:{version}", f"{registry}/collector@{digests['collector']}")
    text = re.sub(rf"{re.escape(REGISTRY)}/(filter|collector)\b", rf"{registry}/\1", text)
    return text.replace(module, module_url or module)


if __name__ == "__main__":
    main()
