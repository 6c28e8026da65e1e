"""The book of record: what was decided, ordered, filled, held and worth. No pandas here."""
