"""The law of the house: a file imports only from floors below its own (CONTRIBUTING.md).

`modules/` stands beside `net`: it may use `core`, `sip`, `errors` and another module's `api`; only `proto_*` may use
`net`. Between floors imports are absolute, inside a floor relative.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout
ROOT = Path(__file__).resolve().parent.parent
ORDER = ["errors", "sip", "script", "core", "net", "runtime", "cli"]
BELOW_MODULES = {"errors", "sip", "core"}
BELOW_TESTING = {"errors", "sip", "script", "core"}
ONE_USER = {
    "lmdb": "pysips/runtime/tables.py",
    "dns": "pysips/net/records.py",
    "lark": "pysips/script/parse.py",
    "re2": "pysips/script/regex.py",
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def package_of(path: Path) -> list[str]:
    """The package that holds a file, as it is imported: pysips/sip/uri.py → [pysips, sip]."""
    parts = list(path.relative_to(ROOT).parts[:-1])
    return ["pysips", *parts] if parts[0] == "modules" else parts


def imports(path: Path, nodes: Iterator[ast.AST] | None = None) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Every import statement of a file with the full name of what it imports."""
    for node in nodes or ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node, name.name
        elif isinstance(node, ast.ImportFrom):
            package = package_of(path)
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for name in node.names:
                yield node, f"{start}.{name.name}"


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


FLOORS = [path for floor in ORDER[1:] for path in files(f"pysips/{floor}")]
MODULES = files("modules")
EVERY = [ROOT / "pysips/errors.py", *FLOORS, *files("pysips/testing"), *MODULES]


def floors_imported(path: Path) -> set[str]:
    names = [name.split(".") for _, name in imports(path)]
    return {name[1] for name in names if name[0] == "pysips" and len(name) > 1} - {"__version__"}


def test_errors_stand_on_nothing() -> None:
    assert floors_imported(ROOT / "pysips/errors.py") == set()


@pytest.mark.parametrize("path", FLOORS, ids=named)
def test_no_import_points_up(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[1]
    allowed = set(ORDER[: ORDER.index(floor) + 1])
    assert floors_imported(path) <= allowed, f"{named(path)} reaches up"


@pytest.mark.parametrize("path", files("pysips/testing"), ids=named)
def test_the_fakes_stand_beside_net(path: Path) -> None:
    assert floors_imported(path) <= BELOW_TESTING | {"testing"}


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_uses_the_core_and_other_modules_by_their_api(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts[1]
    allowed = BELOW_MODULES | {"modules"} | ({"net"} if own.startswith("proto_") else set())
    assert floors_imported(path) <= allowed
    for _, name in imports(path):
        parts = name.split(".")
        if parts[:2] == ["pysips", "modules"] and len(parts) > 2 and parts[2] != own:
            alone = (ROOT / "modules" / f"{parts[2]}.py").exists()  # a one-file module is its own api
            assert alone or parts[3:4] == ["api"], f"{named(path)} imports {name}, not the api of {parts[2]}"


@pytest.mark.parametrize("path", [p for p in EVERY if p.parent != ROOT / "pysips"], ids=named)
def test_imports_are_relative_inside_a_floor_and_absolute_between(path: Path) -> None:
    floor = ".".join(package_of(path)[:2])
    for node, name in imports(path):
        if name.startswith("pysips."):
            inside = name == floor or name.startswith(floor + ".")
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            assert inside == relative, f"{named(path)}:{node.lineno}: {name}"


@pytest.mark.parametrize("library", ONE_USER)
def test_a_library_behind_one_file_stays_there(library: str) -> None:
    users = {named(p) for p in EVERY if any(name.split(".")[0] == library for _, name in imports(p))}
    assert users <= {ONE_USER[library]}


def test_modules_have_one_import_name() -> None:
    for path in [*EVERY, *files("tests")]:
        for node, name in imports(path):
            assert name.split(".")[0] != "modules", f"{named(path)}:{node.lineno}: import pysips.{name} instead"


def test_the_protocol_has_no_socket_and_no_clock() -> None:
    outside = {"socket", "selectors", "asyncio", "threading", "subprocess", "time", "datetime", "lmdb", "dns"}
    for path in files("pysips/sip"):
        used = {name.split(".")[0] for _, name in imports(path)}
        assert not used & outside, f"{named(path)} uses {used & outside}"


def test_no_circle_of_imports() -> None:
    known = {module_name(path): path for path in EVERY}
    graph = {name: set(neighbours(name, path, known)) for name, path in known.items()}
    done: set[str] = set()
    for name in graph:
        assert (circle := find_circle(name, graph, done, [])) is None, " → ".join(circle)


def module_name(path: Path) -> str:
    stem = [] if path.stem == "__init__" else [path.stem]
    return ".".join(package_of(path) + stem)


def neighbours(own: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """What the file needs at import: not what its functions import later, nor what only a type checker reads."""
    for _, name in imports(path, iter(tree(path).body)):
        target = name if name in known else name.rpartition(".")[0]
        if target in known and target != own:
            yield target


def find_circle(name: str, graph: dict[str, set[str]], done: set[str], trail: list[str]) -> list[str] | None:
    if name in trail:
        return [*trail[trail.index(name) :], name]
    if name in done:
        return None
    for target in sorted(graph[name]):
        if circle := find_circle(target, graph, done, [*trail, name]):
            return circle
    done.add(name)
    return None
