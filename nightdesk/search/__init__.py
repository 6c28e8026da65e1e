"""Search: many configurations of a strategy on the past before a locked hold-out; the best becomes a challenger."""
