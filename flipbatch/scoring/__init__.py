"""A manifest becomes tables. Only `ray_executor` imports Ray."""
