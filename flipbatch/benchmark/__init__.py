"""The benchmark: throughput of each stage and of the whole job, compared with baselines.

`job` runs all measurements. It takes the rates of single stages from `stages` (on all `cores`), of scoring
from `scoring`, of training epochs from `training`, of other software from `baselines`, of the whole command
from `command` and of large runs from `scale`; `parity` compares the predictions. `figures` makes the table
and the JSON object. Only the benchmark command imports this package.
"""
