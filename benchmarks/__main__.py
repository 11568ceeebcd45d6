"""`python -m benchmarks <name>`: each name is a module here, and is loaded only if it is asked for."""

import sys
from importlib import import_module

BENCHMARKS = {
    "bands": "how often bands of tuning curves hold the population's curve, by simulation",
    "figure": "draws what `roofline --csv` wrote: throughput against fleet width",
    "gpu": "measures everything that needs a GPU, in under eight minutes",
    "growth": "time and memory of a sweep as its trials grow in number",
    "inference": "false claims and power of comparisons, beside the tests that others use, by simulation",
    "overhead": "what a trial costs beside its training, and the start-up",
    "peers": "the same jobs by hpsearch and by others, as ratios",
    "roofline": "operations and bytes a second of a training step, against the machine's ceilings",
    "steps": "training steps a second of a fleet against the reference engine, on the MNIST job",
    "tables": "time and memory of reports about large tables of other programs' results",
    "until_decided": "seeds, decided pairs and minutes of comparisons that were run, beside those of ten seeds",
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        lines = "\n".join(f"  {name:<13} {what}" for name, what in BENCHMARKS.items())
        sys.exit(f"usage: python -m benchmarks <name> [--help | options]\n{lines}")
    import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
