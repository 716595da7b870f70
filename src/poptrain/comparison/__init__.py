"""Was it worth it? Several methods on the same seeds and the same budget, with the uncertainty of the answer."""

from poptrain.comparison.campaign import Campaign, Job, Terms
from poptrain.comparison.compare import compare
from poptrain.comparison.comparison import Comparison
from poptrain.comparison.outcomes import Outcome

__all__ = ["Campaign", "Comparison", "Job", "Outcome", "Terms", "compare"]
