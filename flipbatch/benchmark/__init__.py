"""Speed of each stage and of the whole job, beside baselines. Only the benchmark command imports it."""
