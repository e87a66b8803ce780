"""The verbs as plain Python functions; the command line calls these."""

from ..controllers.adaptation.search import check_told
from ..controllers.adaptation.sysid import identify
from ..controllers.seeds import SeedSummary, train_seeds
from ..controllers.training import resume
from ..envs.gym import make, make_vec
from ..envs.suites import load_suite
from ..replay.figures import write as write_content
from ..report import (
    catalogue,
    change_table,
    curve_table,
    duration,
    evaluation_table,
    identification_tables,
    inferred_table,
    info_table,
    recording_table,
    safety_table,
    screening_table,
    seeds_table,
    split_table,
    summary_table,
    training_curve,
    tuning_tables,
    validation_table,
)
from ..robots import ROBOTS
from ..robots.files import check_name
from ..suite_report import comparison_tables, envelope_tables, suite_table, suites_table, tasks_table
from .learning import adapt, continual, evaluate, export, import_sb3, read_study, tell, train, tune
from .playing import play
from .reporting import write_report
from .robots import check_robot, robots_table
from .showing import (
    check_exports,
    export_recording,
    info,
    record,
    record_worlds,
    recording_of,
    replay,
    screen,
    view,
    write_adaptation_page,
)
from .sources import load, load_any, told_the_truth
from .suites import (
    as_comparison,
    choose,
    compare,
    comparison_safety,
    envelope,
    evaluate_suite,
    list_suites,
    make_suite,
    verify_suites,
)

__all__ = [
    "SeedSummary", "adapt", "as_comparison", "catalogue", "change_table", "check_exports", "check_name",
    "check_robot", "check_told", "choose", "compare", "comparison_safety", "comparison_tables", "continual", "curve_table",
    "duration", "envelope", "envelope_tables", "evaluate", "evaluate_suite", "evaluation_table", "export",
    "export_recording", "identification_tables", "identify", "import_sb3", "inferred_table", "info", "info_table",
    "list_robots", "list_suites", "load", "load_any", "load_suite", "make", "make_suite", "make_vec", "play",
    "read_study", "record", "record_worlds", "recording_of", "recording_table", "replay", "resume", "robots_table",
    "safety_table", "screen", "screening_table", "seeds_table", "split_table", "suite_table", "suites_table",
    "summary_table", "tasks_table", "tell", "told_the_truth", "train", "train_seeds", "training_curve", "tune", "tuning_tables",
    "validation_table", "verify_suites", "view", "write_adaptation_page", "write_content", "write_report",
]  # fmt: skip


def list_robots() -> list[str]:
    """Names of the catalogue's robots."""
    return sorted(ROBOTS)
