"""The generated parts of the documents are up to date."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_diagram_and_the_settings_in_the_documents_are_those_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/document.py", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )

    assert done.returncode == 0, "run: python scripts/document.py"
