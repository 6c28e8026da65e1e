"""From weights to orders to fills: sizing, rebalancing, limits and the simulation kernel. Pure float64."""
