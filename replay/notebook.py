"""How recordings show themselves in Jupyter: the main facts, a poster where OpenGL works, and the page that replays them."""

from collections.abc import Sequence
from html import escape

from ..envs.notebook import as_webp, facts_html
from ..robots.errors import SurefootError
from .chunks import TERMINATED
from .page import make_page, title_of
from .poster import poster
from .recording import Recording
from .rendering import changed

POSTER = (840, 300)  # pixels
LARGEST = 8_000_000  # bytes of a page in a notebook, which keeps every output


class Recordings(list[Recording]):
    """Recordings that a notebook shows together, in step by time, as the page of `surefoot replay`."""

    def _repr_html_(self) -> str:
        return page_html(self)


def page_html(recordings: Sequence[Recording]) -> str:
    """The page in a frame of its own, which can run its scripts and reach nothing outside; a sentence where it is too large."""
    title = title_of(recordings)
    try:
        page = make_page(recordings, title=title).decode()
    except SurefootError as error:
        return f"<p>{escape(str(error))}</p>"
    if len(page) > LARGEST:
        return f"<p>{len(page) / 1e6:.0f} MB, too large for a notebook: surefoot.replay(…, html='out.html') writes a file</p>"
    style = "width:100%;max-width:1100px;height:680px;border:1px solid rgba(128,128,128,.35);border-radius:8px"
    return (
        f'<iframe title="{escape(title, quote=True)}" sandbox="allow-scripts" loading="lazy" style="{style}" '
        f'srcdoc="{escape(page, quote=True)}"></iframe>'
    )


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
    shown = facts_html(
        f"{recording.label} · {recording.robot} · {recording.task}", facts, picture, f"poster of {recording.label}"
    )
    return f'{shown}<details style="margin:6px 2px"><summary>Replay it</summary>{page_html([recording])}</details>'
