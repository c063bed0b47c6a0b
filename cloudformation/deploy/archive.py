"""The Lambda archive: built, packed and checked."""

import json
import platform
import re
import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path

from .trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
# Amazon Linux 2023 has glibc 2.34.
GLIBC = (2, 34)
# What every version since fleet mode reads.
FLEET_SETTING = b"NIC53_FLEET_NARROW"


def archive(options, arch):
    """The checked Lambda archive, and the architecture it is for."""
    path = options.archive or pack(*build(arch or machine()))
    if not path.is_file():
        raise Trouble(f"--archive {path}: no such file")
    try:
        with zipfile.ZipFile(path) as zipped:
            entry = next((entry for entry in zipped.infolist() if entry.filename == "bootstrap"), None)
            if entry is None or not entry.external_attr >> 16 & 0o111:
                raise Trouble(f"{path}: Lambda wants an executable named bootstrap at the root of the archive")
            binary = zipped.read(entry)
    # The last two are of encrypted entries and of compressions that Python does not know.
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise Trouble(f"--archive {path}: expected a zip archive that can be read, and it is not one ({error})")
    found = elf_machine(binary)
    if found is None or (arch and found != arch):
        raise Trouble(
            f"{path}: bootstrap is for {found or 'no machine Lambda has'}, not for {arch or 'x86_64 or arm64'}"
        )
    if glibc(binary) > GLIBC:
        raise Trouble(f"{path}: bootstrap wants glibc {dotted(glibc(binary))}, and Lambda has {dotted(GLIBC)}")
    print(f"archive {path} ({found}, {path.stat().st_size:,} bytes, glibc {dotted(glibc(binary))} or newer)")
    return path, found


def check_fleet(path):
    """Refuse an archive of before fleet mode: its gateway would not ask the table, and may change nothing itself."""
    with zipfile.ZipFile(path) as zipped:
        if FLEET_SETTING not in zipped.read("bootstrap"):
            raise Trouble(f"{path}: that version knows nothing of fleet mode; deploy a newer one, or ./deploy --no-fleet first")


def build(arch):
    """Build `bootstrap` for `arch`: with cargo if this machine is of that kind, else with cargo-lambda."""
    if not shutil.which("cargo"):
        raise Trouble(
            "cargo is not installed: install Rust (https://rustup.rs), or give a released archive with --archive"
        )
    how = ["--release", "--locked", "--no-default-features", "--features", "lambda", "--bin", "bootstrap"]
    if platform.system() == "Linux" and machine() == arch:
        print("building bootstrap (the first time takes minutes)", flush=True)
        done = cargo("build", *how, "--message-format=json-render-diagnostics")
        artifacts = (json.loads(line) for line in done.splitlines())
        binary = next(Path(a["executable"]) for a in artifacts if a.get("executable"))
        if glibc(binary.read_bytes()) <= GLIBC:
            return binary, arch
        print(f"This machine's glibc is newer than Lambda's {dotted(GLIBC)}: building with cargo-lambda.")
    if not shutil.which("cargo-lambda"):
        raise Trouble(f"building for {arch} here takes cargo-lambda: pip install cargo-lambda, then run this again")
    target = {"x86_64": "--x86-64", "arm64": "--arm64"}[arch]
    print(f"building bootstrap for {arch} with cargo-lambda (the first time takes minutes)", flush=True)
    cargo("lambda", "build", target, *how)
    return target_directory() / "lambda" / "bootstrap" / "bootstrap", arch


def pack(binary, arch):
    """Zip the binary as Lambda wants it. The same binary gives the same bytes, so that nothing is deployed twice."""
    path = target_directory() / f"nic53-lambda-{arch}.zip"
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as zipped:
        # An entry does not take the level of its archive.
        zipped.writestr(entry, binary.read_bytes(), compresslevel=9)
    return path


def cargo(*words):
    """Run cargo, and give what it printed to its standard output."""
    done = subprocess.run(["cargo", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Trouble(f"cargo {words[0]} failed; its message is above")
    return done.stdout


def target_directory():
    """The folder that cargo builds in."""
    return Path(json.loads(cargo("metadata", "--format-version=1", "--no-deps", "--locked"))["target_directory"])


def machine():
    """This machine's architecture, as Lambda calls it."""
    return {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())


def elf_machine(binary):
    """The architecture that the binary is for, as Lambda calls it."""
    if binary[:4] != b"\x7fELF":
        return None
    return {0x3E: "x86_64", 0xB7: "arm64"}.get(int.from_bytes(binary[18:20], "little"))


def glibc(binary):
    """The newest glibc whose symbols the binary names; (0, 0) if it is linked to no glibc."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", binary)
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


def dotted(version):
    """A version in its usual form."""
    return ".".join(map(str, version))
