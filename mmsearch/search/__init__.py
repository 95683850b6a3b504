"""Questions are answered here: a query becomes a vector, candidates, and hits."""
