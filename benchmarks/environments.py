"""What the benchmark makes for itself in `.cache/`: the peers' environments, the sink, texts, a certificate."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import tomllib

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHE = HERE / ".cache"
RESULTS = CACHE / "results.json"

PEERS = {  # environment: what PyPI has to give
    "wsc": ["websocket-client==1.9.2"],
    "seed": ["arinova-agent-sdk==0.0.1", "websockets==17.4"],
    "raw": [],
}
# client: the environment it runs in
CLIENTS = {
    "sdk": "sdk",
    "sdk_speed": "speed",
    "floor": "sdk",
    "pace_floor": "raw",
    "wsc": "wsc",
    "seed": "seed",
    "websockets_sync": "seed",
    "raw": "raw",
}

_WORDS = ("the", "model", "reads", "what", "you", "wrote", "and", "answers", "with", "care", "about", "time")
_ESCAPED = ("\n", '"', "\\", "\t")
_WIDE = ("é", "–", "你", "🙂")


class Unavailable(Exception):
    """Something that a measurement needs is not there; the text says what to do."""


@cache
def dependencies(extra: str = "") -> list[str]:
    """Return what the package itself needs, and one of its extras."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    return project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])


@cache
def python(environment: str, version: str = "") -> str:
    """Return the interpreter of a peer's environment, made when it is first asked for.

    Args:
        environment: a key of PEERS, "sdk", or "speed" for it with that extra.
        version: such as "3.12"; empty for the one that runs this.
    """
    own = {"sdk": "", "speed": "speed"}
    packages = dependencies(own[environment]) if environment in own else PEERS[environment]
    base = _interpreter(version) if version else str(Path(sys.executable).resolve())
    stamp = "\n".join([base, version or sys.version, *packages])
    folder = CACHE / f"venv-{environment}{version}"
    if (folder / "made-of").exists() and (folder / "made-of").read_text() == stamp:
        return str(folder / "bin" / "python")
    print(f"making the environment {folder.name}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    _run([base, "-m", "venv", str(folder)])
    if packages:
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages])
    (folder / "made-of").write_text(stamp)
    return str(folder / "bin" / "python")


@cache
def _interpreter(version: str) -> str:
    """Return the path of an installed Python of that version, asking the interpreter itself."""
    ask = "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"
    candidates = [Path(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for name in candidates:
        if program := shutil.which(name):
            found = subprocess.run([program, "-c", ask], capture_output=True, text=True, check=False)
            if found.returncode == 0 and found.stdout.split()[1] == version:
                return found.stdout.split()[0]
    raise Unavailable(f"no python{version} on this machine")


@cache
def packages_of(environment: str) -> str:
    """Return the peers' versions in an environment, for the record."""
    tools = ["--exclude=pip", "--exclude=setuptools"]
    listed = _run([python(environment), "-m", "pip", "list", "--format=freeze", *tools])
    return ", ".join(listed.split())


@cache
def sink() -> str:
    """Return the compiled sink."""
    sources = sorted((HERE / "sink").glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    program = CACHE / f"sink-{digest}"
    if not program.exists():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise Unavailable("the sink needs a C compiler: apt-get install gcc libc6-dev libssl-dev")
        CACHE.mkdir(exist_ok=True)
        units = [str(source) for source in sources if source.suffix == ".c"]
        try:
            _run([compiler, "-O2", "-o", str(program), *units, "-lssl", "-lcrypto"])
        except Unavailable as error:
            raise Unavailable(f"the sink needs libssl-dev: apt-get install libssl-dev\n{error}") from None
    return str(program)


@cache
def certificate() -> tuple[str, str]:
    """Return a certificate for 127.0.0.1 that signs itself, and its key."""
    CACHE.mkdir(exist_ok=True)
    certificate, key = CACHE / "certificate.pem", CACHE / "key.pem"
    if not key.exists():
        if shutil.which("openssl") is None:
            raise Unavailable("the TLS rows need the openssl command: apt-get install openssl")
        _run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "3650", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-out", str(certificate), "-keyout", str(key),
        ])  # fmt: skip
    return str(certificate), str(key)


@cache
def corpus(size: int) -> str:
    """Return a file of chunks of that many characters, a NUL behind each.

    English-like; 4% hold a character that JSON must escape, 2% one that is not ASCII. No neighbours
    are alike.
    """
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"corpus-{size}"
    if not path.exists():
        chance = random.Random(size)
        chunks: list[str] = []
        while len(chunks) < (1024 if size < 1024 else 256):
            text = _sentence(chance, size)
            if not chunks or text not in (chunks[-1], chunks[0]):
                chunks.append(text)
        path.write_bytes("".join(chunk + "\0" for chunk in chunks).encode())
    return str(path)


def _sentence(chance: random.Random, size: int) -> str:
    text = ""
    while len(text) < size:
        text += " " + chance.choice(_WORDS)
    start = chance.randrange(len(text) - size + 1)
    text = text[start : start + size]
    special = chance.random()
    if special < 0.06:
        at = chance.randrange(size)
        text = text[:at] + chance.choice(_ESCAPED if special < 0.04 else _WIDE) + text[at + 1 :]
    return text


@cache
def content(size: int) -> str:
    """Return a file with a task's content of that size, free of what JSON must escape."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"content-{size}"
    if not path.exists():
        chance = random.Random(size)
        path.write_text(" ".join(chance.choice(_WORDS) for _ in range(size // 3))[:size])
    return str(path)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
