"""Brings the XLA engine out of TensorFlow's wheel: `fetch.py REQUIREMENT SHA256 PLATFORM LIBRARIES OUT`.

Run by build.rs. Downloads the wheel through pip, so that the user's index, mirrors and proxies are respected, checks its
hash, and unpacks its headers to OUT/include and its LIBRARIES (comma-separated) to OUT/lib. Exits with 3 if the file is another,
with 4 if it cannot be unpacked, and else with pip's own code.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile


def main(requirement, sha256, platform, libraries, out):
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        # The wheel of one fixed Python version: nothing of it is run by Python.
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "download", requirement, "--no-deps", "--only-binary=:all:",
             "--implementation=cp", "--python-version=311", "--platform=" + platform, "--dest=" + scratch,
             "--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2"])
        if pip.returncode != 0:
            sys.exit(pip.returncode if pip.returncode not in (3, 4) else 1)
        (name,) = (n for n in os.listdir(scratch) if n.endswith(".whl"))
        wheel = os.path.join(scratch, name)
        digest = hashlib.sha256()
        with open(wheel, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != sha256:
            fail(3, f"{name} has sha256 {digest.hexdigest()}, expected {sha256}")
        try:
            unpack(wheel, libraries.split(","), out)
        except (OSError, zipfile.BadZipFile) as error:
            fail(4, str(error))


def fail(code, message):
    print(message, file=sys.stderr)
    sys.exit(code)


def unpack(wheel, libraries, out):
    missing = set(libraries)
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            directory, _, name = entry.filename.rpartition("/")
            if entry.is_dir():
                continue
            if directory == "tensorflow" and name in libraries:
                target = os.path.join(out, "lib", name)
                missing.remove(name)
            elif entry.filename.startswith("tensorflow/include/"):
                target = os.path.join(out, *entry.filename.split("/")[1:])
            else:
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(entry) as source, open(target, "wb") as sink:
                while block := source.read(1 << 20):
                    sink.write(block)
    if missing:
        fail(4, f"{os.path.basename(wheel)} has no {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
