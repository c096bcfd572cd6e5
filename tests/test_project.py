"""What holds the project together: its front matter, its bounds, its shape."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import ddpm_core

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

ROOT = Path(__file__).parent.parent


def imports_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_the_readme_carries_the_front_matter_of_the_space():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(readme.split("---\n")[1])
    assert front == yaml.safe_load((ROOT / "space.yaml").read_text(encoding="utf-8"))
    assert len(front["short_description"]) <= 60


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in (raw.partition("#")[0].strip() for raw in lines) if line]


def test_nothing_is_required_in_versions_that_nobody_has_seen():
    required = requirements("requirements.txt")
    assert len(required) >= 10
    for one in required:
        assert one.specifier and not one.specifier.contains("99999"), one
    assert Requirement("gradio==6.31.*") in required  # docs/gradio.md
    front = yaml.safe_load((ROOT / "space.yaml").read_text(encoding="utf-8"))
    (gradio,) = [one for one in required if one.name == "gradio"]
    assert gradio.specifier.contains(front["sdk_version"])


def test_a_space_gets_what_the_project_requires():
    """It reads requirements.txt alone; pyproject.toml is where a requirement is stated."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["app"]
    assert {*map(Requirement, lines)} == {*requirements("requirements.txt")}


def test_every_file_of_the_packages_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    settings, files = settings["setuptools"], set()
    for package, names in settings["package-data"].items():
        files |= {ROOT / package.replace(".", "/") / name for name in names}
    for room in ("ddpm_core", "lab"):
        assert f"{room}*" in settings["packages"]["find"]["include"]
        for path in (ROOT / room).rglob("*.*"):
            if path.suffix == ".py":
                assert (path.parent / "__init__.py").exists(), path
            elif path.suffix != ".pyc":
                assert path in files, path


def test_the_changelog_has_this_version():
    assert f"## {ddpm_core.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_lock_names_one_version_of_all_that_is_required_but_pytorch():
    """For whoever installs with it; PyTorch is left out, whose builds have different versions."""
    locked = {}
    for one in requirements("requirements.lock"):
        (specifier,) = one.specifier
        assert specifier.operator == "==" and "*" not in specifier.version
        locked[one.name] = specifier.version
    for one in requirements("requirements.txt"):
        assert (one.name in locked) != (one.name in ("torch", "torchvision"))
        assert one.name not in locked or one.specifier.contains(locked[one.name]), one


FOREIGN = {
    "ddpm_core": {"gradio", "lab", "ui", "app"},
    "lab": {"gradio", "ui", "app"},
    "ui": {"torch", "torchvision", "safetensors"},
}


@pytest.mark.parametrize("room, foreign", FOREIGN.items())
def test_imports_go_one_way_and_the_ui_knows_no_tensors(room, foreign):
    for path in (ROOT / room).rglob("*.py"):
        assert not imports_of(path) & foreign, path


def test_every_link_between_documents_leads_somewhere():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), (path, target)
