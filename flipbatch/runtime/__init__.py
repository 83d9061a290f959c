"""The parts that run a job: Ray connection, subprocesses, run directory, versions, command line."""
