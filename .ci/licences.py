"""Fails if a dependency's licence is not one that deny.toml allows, or if one comes from anywhere but the crates index."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def allowed(expression, allow):
    """An SPDX expression: any arm of an OR will do, every part of an AND must."""
    expression = expression.replace("/", " OR ")
    if "(" in expression:
        expression = re.sub(r"\(([^()]*)\)", lambda m: next(iter(allow)) if allowed(m[1], allow) else "no", expression)
    return any(all(part.strip() in allow for part in arm.split(" AND ")) for arm in expression.split(" OR "))


def main():
    # Python before 3.11 has no TOML, and this file needs only the one list.
    text = (ROOT / "deny.toml").read_text()
    allow = set(re.findall(r'"([^"]+)"', re.search(r"\nallow = \[(.*?)\]", text, re.S)[1]))
    command = ["cargo", "metadata", "--format-version=1", "--all-features", "--locked"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    bad = []
    for package in packages:
        licence = package["license"] or ""
        if not allowed(licence, allow):
            bad.append(f"{package['name']} {package['version']}: licence {licence or 'unknown'!r} is not in deny.toml")
        if package["source"] and not package["source"].startswith("registry+"):
            bad.append(f"{package['name']} {package['version']}: comes from {package['source']}")
    if bad:
        sys.exit("\n".join(bad))
    print(f"{len(packages)} packages, every licence allowed")


if __name__ == "__main__":
    main()
