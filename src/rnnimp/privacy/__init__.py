"""What a model tells about the people of its panel: attacks, figures, reconstruction, controls. No files."""
