"""How recordings show themselves in Jupyter: the main facts, and a poster where OpenGL works."""

from ..envs.notebook import as_webp, facts_html
from ..robots.errors import SurefootError
from .chunks import TERMINATED
from .poster import poster
from .recording import Recording
from .rendering import changed

POSTER = (840, 300)  # pixels


def recording_html(recording: Recording) -> str:
    """A small piece of HTML, in which every text is escaped."""
    falls = int((recording.done == TERMINATED).sum())
    facts = [
        ("length", f"{len(recording) * recording.dt:.1f} s in steps of {recording.dt:g} s"),
        ("episodes", f"{int(recording.episode[-1]) + 1}, {falls} of them ended by a fall"),
        ("reward", f"{recording.reward.sum():.1f}, {recording.reward.mean():.3g} a step"),
        ("robot", ", ".join(changed(recording.parameters)) or "nominal"),
    ]
    if recording.inferred_names:
        believed = zip(recording.inferred_names, recording.inferred[-1], recording.inferred_std[-1], strict=True)
        facts.append(("inferred", ", ".join(f"{name} {value:.3g} ± {std:.2g}" for name, value, std in believed)))
    try:
        picture = as_webp(poster([recording], POSTER))
    except SurefootError as error:  # no OpenGL here, or a model that does not compile
        facts.append(("no picture", str(error)))
        picture = None
    return facts_html(
        f"{recording.label} · {recording.robot} · {recording.task}", facts, picture, f"poster of {recording.label}"
    )
