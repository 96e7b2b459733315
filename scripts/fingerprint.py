"""Prints a digest of the files and folders on the command line, and of the Python version."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path


def files(roots: list[str]) -> Iterator[Path]:
    for root in sorted(roots):
        path = Path(root)
        if path.is_dir():
            yield from sorted(
                file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts
            )
        elif path.is_file():
            yield path


def main() -> None:
    digest = hashlib.sha256(sys.version.encode())
    for file in files(sys.argv[1:]):
        content = file.read_bytes()
        digest.update(f"{file}\0{len(content)}\0".encode())
        digest.update(content)
    sys.stdout.write(digest.hexdigest() + "\n")


if __name__ == "__main__":
    main()
