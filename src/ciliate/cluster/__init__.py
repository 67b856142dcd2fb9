"""What features of the operator share while they run: the watched tables and the views in them.

Below the features and above the adapters; knows no feature and no process.
"""
