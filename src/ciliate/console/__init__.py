"""What every command of ours has alike: names of an installation as flags, `-o`, and tables."""
