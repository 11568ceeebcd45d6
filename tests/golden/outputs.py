"""Small outputs of the program, made by its command line alone: `python tests/golden/outputs.py` writes them anew.

Each case is a few commands in a folder of its own. Kept of it, as text under `expected/<case>/`: what each command
prints at 80 columns; the digest of every file that it leaves, of MLflow's artifacts too; what MLflow knows of each run;
and the full text of what a person reads or what explains a digest that changed. Digests are of the bytes, and what
differs from start to start is replaced first, by `REPLACED` alone.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

EXPECTED = Path(__file__).parent / "expected"
MADE_ON = EXPECTED / "made_on.json"
LIBRARIES = ("torch", "numpy", "scipy", "optuna", "scikit-learn", "mlflow", "matplotlib")
"""What computes, draws or writes the numbers that are compared."""

LIMIT_S = 300
WORKERS = "1"
"""With "2" the outputs are the same."""

DIGITS = ("data=digits", "model.width=16")
CASES = {
    "digits": {
        "search": (
            *("name=d", *DIGITS, "search.tune=[optimizer,model]", "search.choose.optimizer=[sgd,adam]"),
            *("search.trials=4", "training.epochs=2", "description=Small", "tracking.tags={team: vision}"),
        ),
        "name_taken": ("name=d", *DIGITS, "search.tune=[optimizer,model]", "search.trials=4", "training.epochs=3"),
        "report": ("+report=sweep", "report.sweep=d"),
        "dry_run": ("+final=sweep", "final.sweep=d", "final.dry_run=true"),
        "final": ("+final=sweep", "final.sweep=d", "confirm.seeds=3", "final.retrains=2"),
        "second_final": ("+final=sweep", "final.sweep=d"),
    },
    "kfold": {
        "search": (
            *("name=k", *DIGITS, "evaluation=kfold", "evaluation.folds=3", "evaluation.replicates=2"),
            *("search=qmc", "search.trials=4", "training.epochs=2", "training.patience=1", "norm=before"),
            *("regularization=dropout", "schedule=plateau", "search.tune=[optimizer,regularization]"),
        ),
    },
    "compare": {
        "search": (
            *("name=c", "data=breast_cancer", "loss=bce", "model.width=8", "training.epochs=3", "confirm.seeds=7"),
            *("search.compare=optimizer", "search.choose.optimizer=[sgd,adam,momentum]", "search.tune=[optimizer]"),
            *("search.trials=5", "search.delta=0.01"),
        ),
    },
    "xor": {
        "search": (
            *("data=xor", "activation=tanh", "init=xavier", "training.epochs=20", "search.tune=[optimizer,model]"),
            *("search.trials=3", "model.space.width={low: 2, high: 6}"),
        ),
    },
    "mnist": {
        "search": (
            *("+sweep=mnist", "data.packaged=always", "data.limit=300", "search.trials=4", "training.epochs=1"),
            "search.choose.model=[mlp,cnn]",
        ),
    },
    "learning": {
        "coarse_to_fine": (
            *("name=narrow", *DIGITS, "search=coarse_to_fine", "search.tune=[optimizer,model]", "training.epochs=3"),
            *("search.choose.optimizer=[sgd,adam]", "search.trials=18"),
            "search.rounds=[{trials: 10, epochs: 1}, {trials: 5, epochs: 2}]",
        ),
        "halving": (
            *("name=quick", *DIGITS, "search=tpe", "search.pruner=halving", "search.rungs=[1,2]", "search.cohort=5"),
            *("search.startup=5", "search.tune=[optimizer,model]", "search.trials=10", "training.epochs=4"),
        ),
        "leaderboard": ("+report=leaderboard", "report.data=digits"),
    },
    "own_data": {
        "search": (
            *("name=h", "data=csv", "data.path=houses.csv", "data.target=price", "loss=mse", "engine=reference"),
            *("schedule=cosine", "schedule.warmup_epochs=1", "regularization=weight_decay", "model.width=8"),
            *("search.tune=[optimizer]", "search.trials=3", "training.epochs=6", "training.batch_size=10"),
            "confirm.seeds=2",
        ),
        "table": ("+report=table", "report.path=results.csv", "report.metric=accuracy", "report.delta=0.01"),
    },
    "texts": {
        "help": ("--help",),
        "help_optimizer": ("--help", "optimizer=adam"),
        "help_data": ("--help", "data=csv"),
        "help_search": ("--help", "search=coarse_to_fine"),
        "version": ("--version",),
        "composed": ("--cfg", "job", "+sweep=optimizers", "search.trials=3", "model.depth=2"),
        "mistyped_key": ("data=digits", "training.epoch=3"),
        "mistyped_option": ("data=digits", "optimizer=adma"),
        "mistyped_flag": ("--sweep=mnist",),
        "bad_values": ("data=digits", "training.epochs=0", "optimizer.lr=-1", "training.batch_size=two"),
        "contradiction": ("data=digits", "loss=bce", "search.compare=optimizer", "search=tpe"),
        "no_sweep": ("+final=sweep", "final.sweep=nothing"),
    },
}
"""Case to its commands, each with the name of the file that holds what it prints."""

EVERYWHERE = ("texts",)
"""Cases without a computed number: their bytes are the same on every machine."""

REPLACED = (
    (r"0\.1\.0 \([0-9a-f]{8}\), torch [^\s,]+, numpy [^\s,]+, optuna [^\s,]+, scikit-learn [0-9.]*[0-9]", "<code>"),
    (r'("(?:created|started|ended)_ms": ?)\d+', r"\g<1>0"),
    (r'("measured": ?)\{[^}]*\}', r"\1{}"),
    (r'("sha256": ?)"[0-9a-f]{64}"(?=\}\s*\Z)', r'\1"<of this file>"'),  # records are compared as they are
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00", "<date>"),
    (r"[\w.-]+@[\w.-]+(?=, sweep )", "<user>"),
    (r'("(?:entry|key|digests)": ?)"[0-9a-f]+"', r'\1"<of this opening>"'),
    (r"\bm-[0-9a-f]{32}\b", "<model>"),
    (r'(execution\.workers=|"workers": ?)\d+', r"\g<1>1"),
    (r"(?m)^  engine  fleet: .*", "  engine  fleet: <width>"),
    (r"(?m)^(tag (?:fleet_width|processes)) .*", r"\1 <n>"),
    (r"(?<=\[)\d{13}(?:, \d{13})*(?=\])", "<times>"),
    (r"(?m)^(?:trial|  fresh seeds) .*\n", ""),  # in the order in which they end, by as many as a fleet holds
    (r"(?m)^  … .*\n", ""),  # some come only after a time of quiet
)
"""What differs from start to start, or from machine to machine, and what stands for it."""

SKIPPED = re.compile(
    r"mlflow\.db|\.journal|(^|/)(lock|run\.json)$|\.png$|paces\.json$|(^|/)requirements\.txt$|/artifacts/(code|report)/|/artifacts/models/"
)
"""Files that hold times, ids and versions in a form of their own; pictures that are there as SVG; copies."""

IN_FULL = {"report.md", "report.json", "best.yaml", "sweep.json"}

HOUSES = "rooms,area,garden,price\n" + "".join(
    f"{2 + i % 5},{40 + 7 * (i % 11)},{'yes' if i % 3 else 'no'},{50 + 31 * (i % 5) + 4 * (i % 11) + 9 * (i % 3)}\n"
    for i in range(120)
)
RESULTS = "phase,level,trial,key,select,report,hp.lr\n" + "".join(
    f"{phase},{level},{i if phase == 'explore' else 3},{i + 1 if phase == 'confirm' else ''},"
    f"{0.89 + 0.01 * j + 0.001 * (i * 5 % 8):.3f},{0.9 + 0.01 * j + 0.001 * (i * (3 + j) % 7):.3f},{0.01 * (1 + i)}\n"
    for phase in ("explore", "confirm")
    for j, level in enumerate(("plain", "wide", "deep"))
    for i in range(10)
)


def outputs_of(case: str, folder: Path) -> dict[str, str]:
    """Runs the commands of a case in an empty folder; gives file name to text."""
    (folder / "houses.csv").write_text(HOUSES)
    (folder / "results.csv").write_text(RESULTS)
    printed = {f"{name}.txt": run(folder, overrides) for name, overrides in CASES[case].items()}
    if not (folder / "mlruns").exists():
        return printed
    runs, names = runs_of(folder / "mlruns" / "mlflow.db")
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not SKIPPED.search(str(path))):
        data = path.read_bytes()
        text = path.suffix in (".json", ".md", ".html", ".csv", ".svg", ".yaml", ".txt")
        files[stable(str(path.relative_to(folder)), names, folder)] = (
            stable(data.decode(), names, folder).encode() if text and path.name != "record.json" else data
        )
    full = {name: readable(name, data) for name, data in files.items() if read_in_full(name)}
    record = next(name for name in files if name.endswith("record.json") and "artifacts" not in name)
    full[record] = readable(record, files[record])
    listed = "".join(f"{hashlib.sha256(data).hexdigest()[:20]}  {name}\n" for name, data in sorted(files.items()))
    told = {name: stable(text, names, folder) for name, text in runs.items()}
    trial = next(name for name in sorted(told) if "trial" in name)
    return (
        {name: stable(text, names, folder) for name, text in printed.items()}
        | full
        | {
            "files.txt": listed,
            "mlflow.txt": "".join(f"{hashlib.sha256(told[n].encode()).hexdigest()[:20]}  {n}\n" for n in sorted(told)),
            "mlflow_trial.txt": f"{trial}\n{told[trial]}",
        }
    )


def run(folder: Path, overrides: tuple[str, ...]) -> str:
    """The command, its exit status and what it printed on both streams."""
    dropped = ("MLFLOW_TRACKING_URI", "PYTHONWARNINGS", "FORCE_COLOR", "NO_COLOR", "LINES")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    own = {"COLUMNS": "80", "XDG_STATE_HOME": str(folder / "state"), "HPSEARCH_DATA": str(folder / "data")}
    trains = not {"--help", "--version", "--cfg"} & set(overrides) and not overrides[0].startswith("+report")
    workers = (f"execution.workers={WORKERS}",) if trains else ()
    ended = subprocess.run(
        [sys.executable, "-m", "hpsearch", *overrides, *workers],
        cwd=folder,
        env=kept | own | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return f"{' '.join(overrides)}\n[exit status {ended.returncode}]\n{ended.stdout}[stderr]\n{ended.stderr}"


def runs_of(database: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Everything but times that MLflow knows of each run, by the name of the run; and the names by run id."""
    with closing(sqlite3.connect(database)) as store:
        names, seen = {}, {}
        query = """SELECT r.run_uuid, e.name, r.name, r.status, r.lifecycle_stage FROM runs r
                   JOIN experiments e USING (experiment_id) ORDER BY e.name, r.name, r.start_time"""
        texts = {}
        for run_id, sweep, name, *state in store.execute(query).fetchall():
            count = seen[sweep, name] = seen.get((sweep, name), 0) + 1
            names[run_id] = f"<{sweep}, {name}>" if count == 1 else f"<{sweep}, {name}, {count}>"
            lines = [" ".join(state)]
            for query in (
                "SELECT 'param', key, value FROM params WHERE run_uuid = ?",
                "SELECT 'metric', key, step, value, is_nan FROM metrics WHERE run_uuid = ? AND key NOT LIKE 'system/%'",
                "SELECT 'tag', key, value FROM tags WHERE run_uuid = ? AND key NOT IN ('key', 'mlflow.user')",
                """SELECT 'data', d.name, d.digest, d.dataset_schema, d.dataset_profile FROM inputs i
                   JOIN datasets d ON d.dataset_uuid = i.source_id WHERE i.destination_id = ?""",
            ):
                lines += sorted(" ".join(str(cell) for cell in row) for row in store.execute(query, (run_id,)))
            texts[names[run_id]] = "\n".join(lines) + "\n"
    return texts, names


def stable(text: str, names: dict[str, str], folder: Path) -> str:
    """The text without what differs from start to start."""
    text = text.replace(str(folder), "<folder>")
    for run_id, name in names.items():
        text = text.replace(run_id, name)
    for pattern, instead in REPLACED:
        text = re.sub(pattern, instead, text)
    return text


def read_in_full(name: str) -> bool:
    return Path(name).name in IN_FULL and "artifacts" not in name


def readable(name: str, data: bytes) -> str:
    """The text, JSON in many lines: its bytes are pinned by the digest."""
    return (
        json.dumps(json.loads(data), indent=1, ensure_ascii=False) + "\n" if name.endswith(".json") else data.decode()
    )


def machine() -> dict[str, str]:
    """What the last digits of a computed number depend on: the kind of processor, and versions."""
    import torch  # noqa: PLC0415 (seconds, which whoever only reads `CASES` need not wait)

    info = Path("/proc/cpuinfo")
    vendor = re.search(r"vendor_id\s*: (\S+)", info.read_text()) if info.exists() else None
    processor = vendor[1] if vendor else platform.processor() or platform.machine()
    capability = torch.backends.cpu.get_cpu_capability()
    return {"processor": f"{processor} {capability}"} | {name: version(name) for name in LIBRARIES}


def differences(made_on: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """What of this machine is not as it was where the expected outputs were made."""
    return [f"{name} is {here[name]}, was {then}" for name, then in made_on.items() if here[name] != then]


def outputs_of_cases(folder: Path, cases: Collection[str] = CASES) -> dict[str, str]:
    """Path below `expected` to text; two cases at a time."""
    for case in cases:
        (folder / case).mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:
        made = dict(zip(cases, pool.map(lambda case: outputs_of(case, folder / case), cases), strict=True))
    return {f"{case}/{name}": text for case, outputs in made.items() for name, text in outputs.items()}


def write_expected() -> None:
    """Makes the expected outputs anew."""
    with tempfile.TemporaryDirectory() as folder:
        made = outputs_of_cases(Path(folder))
    shutil.rmtree(EXPECTED, ignore_errors=True)
    for name, text in made.items():
        path = EXPECTED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    MADE_ON.write_text(json.dumps(machine(), indent=1) + "\n")


if __name__ == "__main__":
    write_expected()
