"""The house rules of docs/architecture.md, as code. Each scanner is a function over text and is shown a bad example too."""

import ast
import io
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "nightdesk", "tasks", "flows")
NOT_OURS = {".git", ".venv", "var", "build", "results", "__pycache__", ".hypothesis"}
FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "managers"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES_P90 = 25


def project_files(suffix: str = "") -> list[Path]:
    """Every file of the checkout that git would track."""
    return [
        path
        for path in sorted(ROOT.rglob(f"*{suffix}"))
        if path.is_file()
        and not NOT_OURS & set(path.relative_to(ROOT).parts)
        and not re.search(r"\.(egg-info|[a-z_]+_cache)(/|$)", path.relative_to(ROOT).as_posix())
    ]


def code_files() -> list[Path]:
    """Python files that are not tests."""
    return [path for path in project_files(".py") if path.relative_to(ROOT).parts[0] != "tests"]


def files_of_tests() -> list[Path]:
    return [path for path in project_files(".py") if path.relative_to(ROOT).parts[0] == "tests"]


def offences(files: list[Path], scan: Callable[[str], list[int]], *allowed: str) -> list[str]:
    """`file:line` of all that `scan` finds, but in the `allowed` files."""
    return [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        if path.relative_to(ROOT).as_posix() not in allowed
        for line in scan(path.read_text(encoding="utf-8"))
    ]


# Scanners: source text in, line numbers out.


def environment_reads(source: str) -> list[int]:
    names = {"environ", "environb", "getenv", "putenv"}
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
    ]


def wall_clock_reads(source: str) -> list[int]:
    """Only what tells the date or the time of day; `perf_counter` and `monotonic` measure durations."""
    clocks = {"datetime", "date", "Timestamp", "pendulum", "arrow"}
    times = {"time", "time_ns", "ctime", "localtime", "gmtime"}

    def reads(node: ast.AST) -> bool:
        if isinstance(node, ast.ImportFrom):
            return node.module == "time" and bool(times & {alias.name for alias in node.names})
        if not isinstance(node, ast.Attribute):
            return False
        owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
        return (owner in clocks and node.attr in {"now", "utcnow", "today"}) or (owner == "time" and node.attr in times)

    return [node.lineno for node in ast.walk(ast.parse(source)) if reads(node)]


def broad_excepts(source: str) -> list[int]:
    broad = {"Exception", "BaseException"}

    def names(node: ast.expr | None) -> set[str]:
        return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node else broad

    def is_broad(node: ast.AST) -> bool:
        if isinstance(node, ast.ExceptHandler):
            return bool(names(node.type) & broad)
        is_suppress = isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress")
        return is_suppress and any(names(argument) & broad for argument in node.args)

    return [node.lineno for node in ast.walk(ast.parse(source)) if is_broad(node)]


def asserts(source: str) -> list[int]:
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def silent_ignores(source: str) -> list[int]:
    """Comments that silence a tool and do not say why."""
    marker = re.compile(r"#\s*(?:type:\s*ignore(?:\[[^\]]*\])?|noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?)(?P<reason>.*)")
    comments = (token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT)
    found = ((token.start[0], marker.match(token.string)) for token in comments)
    return [line for line, match in found if match and not re.search(r"[A-Za-z]{2,}.*\s[A-Za-z]{2,}", match["reason"])]


def terse_tests(source: str) -> list[int]:
    """Tests whose name is no sentence of at least four words."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and node.name.count("_") < 4
    ]


def machine_paths(text: str) -> list[int]:
    """Lines that name a package registry's address or a folder of one machine."""
    registry = r"pypi[.]org|pythonhosted[.]org|--(extra-)?index-url|--find-links"
    pattern = re.compile(rf"{registry}|(?<![\w.])/(root|work|Users|home)/\w|/opt/wheels")
    return [number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def function_lengths(source: str) -> list[int]:
    """Lines of each function, its docstring not counted."""

    def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        first = node.body[0]
        docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) else 0
        return (node.end_lineno or 0) - node.lineno + 1 - docstring

    return [length(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def forbidden_names(path: Path) -> set[str]:
    """The words of a module's name that say nothing, and the name itself where the standard library has it."""
    return FORBIDDEN_WORDS & set(path.stem.lower().split("_")) | ({path.stem} & set(sys.stdlib_module_names))


BAD = [
    (environment_reads, "import os\nx = os.environ['A']"),
    (environment_reads, "import os\nx = os.getenv('A')"),
    (environment_reads, "from os import environ"),
    (wall_clock_reads, "import datetime\nx = datetime.datetime.now()"),
    (wall_clock_reads, "from datetime import date\nx = date.today()"),
    (wall_clock_reads, "field(default_factory=datetime.utcnow)"),
    (wall_clock_reads, "x = pd.Timestamp.now()"),
    (wall_clock_reads, "import time\nx = time.time()"),
    (wall_clock_reads, "from time import time"),
    (broad_excepts, "try:\n    f()\nexcept:\n    pass"),
    (broad_excepts, "try:\n    f()\nexcept Exception as error:\n    pass"),
    (broad_excepts, "try:\n    f()\nexcept (ValueError, BaseException):\n    pass"),
    (broad_excepts, "with contextlib.suppress(Exception):\n    f()"),
    (asserts, "def f(x):\n    assert x > 0"),
    (silent_ignores, "x = 1  # type: ignore"),
    (silent_ignores, "x = 1  # type: ignore[call-arg]"),
    (silent_ignores, "x = 1  # noqa: E501, F401"),
    (silent_ignores, "x = 1  # noqa"),
    (terse_tests, "def test_it():\n    pass"),
    (terse_tests, "class TestBook:\n    async def test_book_adds_up(self):\n        pass"),
    (machine_paths, "cd /" + "root/nightdesk"),
    (machine_paths, "open('/" + "home/ann/bars.csv')"),
    (machine_paths, "https://files.python" + "hosted.org/packages"),
]
GOOD = [
    (environment_reads, "x = settings().home"),
    (wall_clock_reads, "x = clock.now()\ny = time.perf_counter() + time.monotonic()\nz = datetime.fromisoformat(text)"),
    (broad_excepts, "try:\n    f()\nexcept (ValueError, OSError):\n    pass"),
    (asserts, "def f(x):\n    if x <= 0:\n        raise Misconfigured('x was 0, allowed: above 0.')"),
    (silent_ignores, "x = 1  # type: ignore[call-arg]  # the environment fills the fields\ny = '# noqa'"),
    (silent_ignores, "x = 1  # noqa: RUF012 - pandera's own way to name a key"),
    (terse_tests, "def test_cash_never_goes_below_zero():\n    pass"),
    (machine_paths, "docs/home/index.html and ~/nightdesk and https://example.com/root/x"),
]


@pytest.mark.parametrize(("scan", "source"), BAD)
def test_each_scanner_finds_what_is_planted_for_it(scan: Callable[[str], list[int]], source: str) -> None:
    assert scan(source)


@pytest.mark.parametrize(("scan", "source"), GOOD)
def test_each_scanner_lets_good_code_pass(scan: Callable[[str], list[int]], source: str) -> None:
    assert scan(source) == []


def test_bad_module_names_are_recognised_as_such() -> None:
    assert [forbidden_names(Path(name)) for name in ("string_utils.py", "calendar.py", "order_manager.py")] == [
        {"utils"},
        {"calendar"},
        {"manager"},
    ]
    assert not forbidden_names(Path("sessions.py"))


def test_length_of_a_function_leaves_out_its_docstring() -> None:
    assert function_lengths('def f(x):\n    """One.\n\n    Two.\n    """\n    y = x\n    return y\n') == [3]


def test_only_settings_reads_the_environment() -> None:
    program = [path for path in code_files() if path.relative_to(ROOT).parts[0] != "benchmarks"]
    assert offences(program, environment_reads, "nightdesk/settings.py") == []


def test_only_the_clock_reads_the_wall_clock() -> None:
    assert offences(code_files(), wall_clock_reads, "nightdesk/clock.py") == []


def test_no_code_catches_everything_there_is() -> None:
    assert offences(code_files(), broad_excepts, "nightdesk/fence/child.py") == []


def test_no_code_but_tests_asserts_anything() -> None:
    assert offences(code_files(), asserts) == []


def test_every_silenced_warning_says_its_reason() -> None:
    assert offences(project_files(".py"), silent_ignores) == []


def test_names_of_all_tests_are_sentences() -> None:
    assert offences(files_of_tests(), terse_tests) == []


def test_no_module_is_named_badly_or_like_the_standard_library() -> None:
    modules = [path for path in code_files() if not path.stem.startswith("__")]
    assert {str(path.relative_to(ROOT)): names for path in modules if (names := forbidden_names(path))} == {}


def test_no_python_file_is_too_long_to_read() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in project_files(".py")}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_nine_functions_of_ten_are_short() -> None:
    lengths = [lines for path in code_files() for lines in function_lengths(path.read_text(encoding="utf-8"))]
    assert statistics.quantiles(lengths, n=10)[-1] <= MAX_FUNCTION_LINES_P90


def test_no_file_names_a_registry_or_a_machine() -> None:
    files = [path for path in project_files() if b"\0" not in path.read_bytes()]
    assert offences(files, machine_paths, "tests/test_architecture.py") == []


def test_importing_one_schema_does_not_import_all() -> None:
    assert (ROOT / "schemas" / "__init__.py").read_text(encoding="utf-8") == ""


# Imports: the contracts of pyproject.toml.


def contracts() -> list[dict[str, object]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).parent / "lint-imports"
    command = [linter, "--no-cache", "--config", folder / "pyproject.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_every_import_keeps_to_the_contracts() -> None:
    answer = linted(ROOT)
    assert answer.returncode == 0, answer.stdout[-5000:]


PLANTED = {
    "arrows point one way": ("schemas/planted.py", "import nightdesk.errors"),
    "pure rooms know no door": ("nightdesk/features/planted.py", "import nightdesk.market"),
    "pure rooms know nothing of one another": ("nightdesk/signals/planted.py", "import nightdesk.learning"),
    "doors know nothing": ("nightdesk/tracking/planted.py", "import nightdesk.market"),
    "doors use": ("nightdesk/market/planted.py", "import nightdesk.settings"),
    "the clock is handed down": ("tasks/planted_clock.py", "import nightdesk.clock"),
    "Prefect stays outside": ("nightdesk/day/planted.py", "def step():\n    import prefect"),
    "MLflow has one door": ("nightdesk/performance/planted.py", "import mlflow"),
    "tasks and flows compute nothing": ("tasks/planted.py", "import pandas"),
    "flows call tasks": ("flows/planted.py", "import nightdesk.wiring.desk"),
    "the ledger and the records": ("nightdesk/ledger/planted.py", "import pandas"),
    "the console reaches": ("nightdesk/console/planted.py", "import nightdesk.brokers"),
    "the process that orders": ("nightdesk/brokers/planted.py", "import sklearn"),
}


def test_each_contract_breaks_where_its_rule_is_broken(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, code in PLANTED.values():
        (tmp_path / file).write_text(f"{code}\n", encoding="utf-8")
    broken = [line for line in linted(tmp_path).stdout.splitlines() if " BROKEN" in line]
    assert len(broken) == len(PLANTED) == len(contracts())
    assert [name for name in PLANTED if not any(line.startswith(name) for line in broken)] == []


def test_every_room_of_the_house_has_its_layer() -> None:
    layers = next(contract["layers"] for contract in contracts() if contract["type"] == "layers")
    named = {name.strip() for layer in layers for name in layer.split(":")}
    rooms = {path.stem for path in (ROOT / "nightdesk").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {f"nightdesk.{room}" for room in rooms - {"__init__"}} - named == set()


def imported_by(module: str) -> set[str]:
    """Top-level packages that a fresh process holds once it has imported `module`."""
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return set(answer.stdout.split())


NEVER = [
    ("nightdesk.ledger.store", {"prefect", "mlflow", "sklearn", "pandas"}),
    ("nightdesk.brokers.paper", {"prefect", "mlflow", "sklearn"}),
    ("nightdesk.brokers.alpaca", {"prefect", "mlflow", "sklearn", "pandas"}),
    ("nightdesk.cli.print_consent", {"prefect", "mlflow", "sklearn"}),
]


@pytest.mark.parametrize(("module", "never"), NEVER)
def test_what_orders_and_what_answers_starts_light_in_a_fresh_process(module: str, never: set[str]) -> None:
    loaded = imported_by(module)
    assert "nightdesk" in loaded
    assert loaded & never == set()


def test_no_test_can_leave_this_machine() -> None:
    with pytest.raises(PermissionError, match="only loopback"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
        pass
