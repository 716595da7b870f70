"""Results: read-only views of a study's journal, safe while it runs and on a stranger's study."""

from poptrain.results.diagnostics import Diagnosis
from poptrain.results.lineage import Lineage, Origin
from poptrain.results.picture import draw, picture
from poptrain.results.record import Record
from poptrain.results.schedule import Course, Schedule, Span
from poptrain.results.study import Study
from poptrain.results.views import BestMember, MemberView

__all__ = [
    "BestMember",
    "Course",
    "Diagnosis",
    "Lineage",
    "MemberView",
    "Origin",
    "Record",
    "Schedule",
    "Span",
    "Study",
    "draw",
    "picture",
]
