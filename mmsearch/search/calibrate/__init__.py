"""How likely it is that an item answers a query: scores become probabilities.

`relevance` turns similarities and matched words into a probability. ``docs/relevance.md``
has the evidence.
"""

from mmsearch.search.calibrate.relevance import Calibration, calibration, either, of_words

__all__ = ["Calibration", "calibration", "either", "of_words"]
