"""One module a subcommand: its arguments, the call, the exit code."""
