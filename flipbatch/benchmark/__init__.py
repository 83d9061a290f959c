"""How fast each stage and the whole are, beside what one would otherwise write. Only its job imports it."""
