"""Training: whatever trains a fit takes (fit, data) and gives back a `FitResult`; torch is loaded on first use only."""

from hpsearch.config import Engine


def resolve_engine(engine: Engine) -> Engine:
    """The engine kind that a sweep stores: a fixed rule, never a timing, so that a resumed sweep decides alike."""
    return Engine.REFERENCE if engine is Engine.AUTO else engine
