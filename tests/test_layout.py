"""The shape of the repository, kept by test."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envs.env import TOOLS
from tools.lookup import find, names

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "tools": {"tools"},
    "envs": {"envs", "tools"},
    "agent": {"agent", "envs", "tools"},
    "sft": {"sft", "agent", "envs", "tools"},
    "rl": {"rl", "agent", "envs", "tools"},
}
ENTRY = ("agent.cli", "agent.commands")  # they tie everything together; nothing else imports them
HEAVY = {"torch", "ray", "vllm", "trl", "transformers"}


def imported(path: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return modules


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        is_entry = path.is_relative_to(ROOT / "agent" / "commands") or path == ROOT / "agent" / "cli.py"
        for module in imported(path):
            top = module.partition(".")[0]
            if not is_entry:
                assert top not in MAY_IMPORT or top in MAY_IMPORT[package], f"{path} imports {module}"
                assert not module.startswith(ENTRY), f"{path} imports the entry point"


@pytest.mark.parametrize("path", sorted((ROOT / "tools").rglob("*.py")), ids=lambda path: path.stem)
def test_the_tools_know_nothing_of_training_or_of_gymnasium(path):
    assert not {module.partition(".")[0] for module in imported(path)} & (HEAVY | {"gymnasium", "openai"})


@pytest.mark.parametrize(
    "modules",
    [
        "agent.loop, agent.render, agent.trace",
        "agent.commands.ask, agent.commands.show, agent.commands.tools, agent.commands.doctor, agent.commands.play",
        "agent.policies.protocol, agent.policies.person, agent.policies.scripted, agent.policies.chat_api",
    ],
)
def test_reading_and_asking_need_no_torch(modules):
    code = f"import {modules}, sys; loaded = {HEAVY!r} & set(sys.modules); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_our_packages_are_ours_also_beside_a_folder_with_such_names(tmp_path):
    """`tools` and `agent` are common names; what lies in the current folder must not come first."""
    for name in MAY_IMPORT:
        (tmp_path / f"{name}.py").write_text("raise ImportError('the wrong one')\n")
    overread = Path(sys.executable).parent / "overread"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([overread, "doctor"], cwd=tmp_path, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"agent, tools, envs, sft and rl come from {ROOT}" in done.stdout


def test_a_name_is_a_file():
    assert names("tools") == sorted(TOOLS)
    assert names("envs.rewards") == [
        "brief", "correct", "grounded", "looked", "tool_fault", "turns", "vitar_exact", "vitar_step", "well_formed",
    ]  # fmt: skip
    assert names("envs.dialects") == ["tags", "vitar"]
    assert names("agent.policies") == [
        "chat_api", "local", "oracle", "person", "pocket", "protocol", "scripted", "vllm",
    ]  # fmt: skip
    with pytest.raises(LookupError, match="no 'scalpel' in tools/; there are: compare, count, crop"):
        find("tools", "scalpel")


@pytest.mark.parametrize("name", ["", ".", "..", "tools.", "zoom.", "a b", "__init__", "no.such.lab"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(LookupError):
        find("tools", name)
