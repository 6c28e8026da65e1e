"""The page about a record of returns, and its numbers. Pure: series and frames in, numbers and HTML out."""
