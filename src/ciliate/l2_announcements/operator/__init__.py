"""Layer 2 announcements in the operator.

verdicts  what policies say of themselves, pure
targets   the Leases that nobody needs any more
feature   all of it, run while the operator leads
"""
