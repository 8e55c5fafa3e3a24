"""Sites, panels, chromosomes and regions: plain data over numpy and the rules on them, without any file."""
