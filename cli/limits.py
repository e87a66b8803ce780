"""What `surefoot evaluate` and `surefoot compare` say of safety limits."""

from collections.abc import Mapping


def said_of(limits: Mapping[str, float | str], figures: Mapping[str, Mapping[str, float | None]]) -> str:
    """One line on the limits that `Safety.figures`, of evaluations by name, break; "" where they break none."""
    from ..controllers.safety import broken

    found = [f"{name + ': ' * bool(name)}{text}" for name, of in figures.items() for text in broken(of, limits)]
    return f"limit broken: {'; '.join(found)}" if found else ""
