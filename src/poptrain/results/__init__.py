"""Results: read-only views of a study's journal, safe while it runs and on a stranger's study."""

from poptrain.results.lineage import Lineage, Origin
from poptrain.results.schedule import Schedule, Span
from poptrain.results.study import BestMember, MemberView, Study

__all__ = ["BestMember", "Lineage", "MemberView", "Origin", "Schedule", "Span", "Study"]
