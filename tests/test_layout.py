"""The layout: which module may import which, how much there is to read, and what an import costs."""

import ast
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "codec"
#: Who besides themselves may import them.
WINGS = {
    "evaluation": (),
    "ui": ("evaluation",),
    "vote": ("evaluation", "ui"),
    "classroom": ("evaluation", "ui"),
    "training": ("evaluation", "classroom"),
}
EVENING = 20  # modules from the command line to the bytes and back, besides `__init__`, `__main__` and errors
LINES = 2500


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> dict[str, dict[str, bool]]:
    """The modules that each module imports, and whether it does so inside a function; not those for types only."""
    names = modules()
    return {name: dict(imported(name, path, names)) for name, path in names.items()}


def imported(name: str, path: Path, names: dict[str, Path]):
    def walk(node: ast.AST, inside: bool):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
                    base = ".".join([*package.split(".")[: len(package.split(".")) - child.level + 1], base]).strip(".")
                for alias in child.names:
                    yield (f"{base}.{alias.name}" if f"{base}.{alias.name}" in names else base), inside
            yield from walk(child, inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    for target, inside in walk(ast.parse(path.read_text()), False):
        if target in names and target != name:
            yield target, inside


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of nodes that reach each other (Tarjan 1972)."""
    index, low, stack, groups = {}, {}, [], []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            cut = stack.index(node)
            groups.append(sorted(stack[cut:]))
            del stack[cut:]

    for node in graph:
        if node not in index:
            visit(node)
    return [group for group in groups if len(group) > 1]


def folder(module: str) -> str:
    """The folder of a module below codec, or the module itself where it lies in codec."""
    return module.split(".")[1] if "." in module else ""


def test_no_file_imports_itself_in_a_circle():
    # `codec` itself only passes on names of `codec.api`, and importing any module imports it.
    graph = {name: set(targets) - {"codec"} for name, targets in imports().items()}
    assert circles(graph) == []


def test_no_folder_imports_itself_in_a_circle():
    graph: dict[str, set[str]] = {folder(name): set() for name in imports()}
    for name, targets in imports().items():
        if name != "codec":
            graph[folder(name)] |= {folder(target) for target in targets} - {folder(name), ""}
    assert circles(graph) == []


def test_nothing_below_imports_the_page_the_evaluation_or_the_training():
    for name, targets in imports().items():
        for target in targets:
            wing = folder(target)
            assert wing not in WINGS or folder(name) in (wing, *WINGS[wing]), f"{name} imports {target}"


def test_the_codec_can_be_read_in_an_evening():
    reached, rest = set(), ["codec.__main__", "codec"]
    while rest:
        name = rest.pop()
        if name not in reached and not name.startswith("codec.pictures"):
            reached.add(name)
            rest += imports()[name]
    read = sorted(reached)
    assert {"codec.pipeline", "codec.weights", "codec.networks.transforms", "codec.entropy.range_coder"} < reached
    files = [modules()[name] for name in read]
    small = ("__init__.py", "__main__.py", "errors.py")
    assert len([file for file in files if file.name not in small]) <= EVENING, read
    assert sum(len(file.read_text().splitlines()) for file in files) <= LINES


def test_imports_stand_at_the_top():
    """Each one inside a function hides what a module needs; a few keep torch and its like out of a quick start."""
    count = Counter(folder(name) for name, targets in imports().items() for inside in targets.values() if inside)
    for path in modules().values():  # of other packages
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for inner in ast.walk(node):
                    base = getattr(inner, "module", None) or (
                        inner.names[0].name if isinstance(inner, ast.Import) else ""
                    )
                    if isinstance(inner, (ast.Import, ast.ImportFrom)) and not base.startswith("codec"):
                        count[str(path.relative_to(PACKAGE))] += 1
    assert sum(count.values()) < 25, count.most_common()


def test_no_variable_has_a_name_that_says_nothing():
    empty = {"found", "made", "said", "shown", "known", "parts"}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            bound = node.arg if isinstance(node, ast.arg) else getattr(node, "name", None)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound = node.id
            assert bound not in empty, f"{name}, line {node.lineno}: name the thing, not '{bound}'"


def test_a_header_is_checked_without_torch(tmp_path):
    light = ("codec", "codec.spec", "codec.bitstream", "codec.weights", "codec.results", "codec.cli", "codec.rate")
    program = f"import sys, {', '.join(light)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
