"""The parts that run a job, in the order of a command.

`command_line` has the common arguments, logging and exit codes, and writes by `standard_streams`;
`submitted_job` refuses relative paths in a submitted job; `run_directory` starts or resumes a run, with the
package `versions`; `ray_connection` connects to Ray, with `ray_address`, `ray_start_errors` and `error_text`;
`subprocess_worker` runs a function in another process; `wording`
puts counts into sentences. Does not know frames, models or what a job does.
"""
