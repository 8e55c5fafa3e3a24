"""Structured fuzzing of all readers and commands.

`python -m fuzz --seconds 60 --seed 1` (or `make fuzz SECONDS=600 SEED=1`) changes valid small files in ways that fit
their format, gives them to the readers and commands, and looks at what happens. A changed input must be refused in
one line, or be accepted with the result that an independent parser computes.
"""
