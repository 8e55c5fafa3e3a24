"""Regions on many machines: slices of them for array jobs, locks between processes, submission to Slurm."""
