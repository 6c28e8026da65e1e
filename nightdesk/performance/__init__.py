"""How a book did: metrics, its benchmark, plots and the report. Pure: arrays and frames in, numbers, bytes and text out."""
