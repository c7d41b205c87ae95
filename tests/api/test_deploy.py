"""The container file, the compose example and the systemd unit: well formed, and true to this repository."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
from pathlib import Path

import yaml

from api.settings import FIELDS, PREFIX

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"
INSTRUCTIONS = set(
    "FROM RUN WORKDIR COPY USER ENV VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD".split()
)


def known(variable: str) -> bool:
    return variable == f"{PREFIX}CONFIG" or variable.removeprefix(PREFIX).lower() in FIELDS


def test_the_container_file_is_made_of_what_is_here() -> None:
    lines = (DEPLOY / "Containerfile").read_text("utf-8").splitlines()
    steps = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    assert steps[0][0] == "FROM" and {name for name, _ in steps} <= INSTRUCTIONS
    for name, rest in steps:
        if name == "COPY":
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources), rest
        if name == "ENV":
            assert all(known(pair.partition("=")[0]) for pair in rest.split()), rest
        if name in ("CMD", "ENTRYPOINT"):
            assert json.loads(rest)


def test_the_compose_example_is_yaml_of_a_service() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    service = document["services"]["crosslight"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert all(known(name) for name in service["environment"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_unit_is_one_systemd_takes(tmp_path: Path) -> None:
    path = DEPLOY / "crosslight.service"
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text("utf-8"))
    assert set(unit) == {"DEFAULT", "Unit", "Service", "Install"}
    assert unit["Service"]["ExecStart"].endswith("crosslight serve")
    program = shutil.which("systemd-analyze")
    if program is not None:
        there = path.read_text("utf-8").replace("/opt/crosslight/bin/crosslight", "/bin/true")
        (tmp_path / path.name).write_text(there.replace("User=crosslight\n", ""))
        ran = subprocess.run([program, "verify", str(tmp_path / path.name)], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
