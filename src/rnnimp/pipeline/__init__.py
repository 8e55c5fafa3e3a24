"""A module a stage: each joins the formats to the core and leaves its files on disk."""
