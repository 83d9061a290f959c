"""What runs a job: the Ray connection, subprocesses, the run directory, versions, the command line."""
