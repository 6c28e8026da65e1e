"""Learning: labels, splits, fits and their identity. Pure, but for the model file."""
