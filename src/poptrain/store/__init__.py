"""The study directory: the journal of events, and the checkpoints of states."""

from poptrain.store.checkpoints import CheckpointStore, Ref, Sealed
from poptrain.store.config import CodeReference, StudyConfig
from poptrain.store.directory import StudyDirectory
from poptrain.store.journal import Journal

__all__ = ["CheckpointStore", "CodeReference", "Journal", "Ref", "Sealed", "StudyConfig", "StudyDirectory"]
