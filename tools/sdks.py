"""Calls every public method of the official SDKs on the local engine, each SDK in an environment of its own.

python -m tools.sdks          those of ``SDKS``; what is missing for one is named, with the reason

The environments, ``.venv-sdk-0.27.3``, hold nothing else and are made once. The calls themselves, and what is
expected of each, are in ``tests/local/server/sdk_walk.py``.
"""

from __future__ import annotations

import subprocess
import sys

from tools.pythons import ROOT, Missing, environment, find, run

SDKS = {"0.22.1": "3.11", "0.24.0": "3.12", "0.27.3": "3.13"}
"""The SDKs, and a Python that each can be installed on."""


def install(sdk: str, python: str) -> None:
    """The environment of an SDK; raises ``Missing`` without its Python, ``CalledProcessError`` without the SDK."""
    programs = environment(f"sdk-{sdk}", find(python))
    run(programs / "python", "-m", "pip", "install", "--quiet", f"ragflow-sdk=={sdk}")


def main() -> int:
    """Makes the environments and runs the tests in them; what could not be made is skipped there."""
    for sdk, python in SDKS.items():
        try:
            install(sdk, python)
        except Missing as missing:
            print(f"ragflow-sdk {sdk} needs Python {python}: {missing}", flush=True)
        except subprocess.CalledProcessError as error:
            print(f"ragflow-sdk {sdk} cannot be installed: exit code {error.returncode}", flush=True)
    tests = [sys.executable, "-m", "pytest", "-rs", "tests/local/server/test_sdk.py"]
    return subprocess.run(tests, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
