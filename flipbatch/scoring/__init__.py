"""A manifest becomes tables. Only `job` knows Ray."""
